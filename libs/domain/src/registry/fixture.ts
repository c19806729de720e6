import { metadata } from '@kontor/event-sourcing/testing';
import type { RegistryCommand } from './commands.js';
import type { RegistryEvent } from './events.js';

type CommandData<Type extends RegistryCommand['type']> = Extract<RegistryCommand, { type: Type }>['data'];
type EventData<Type extends RegistryEvent['type']> = Extract<RegistryEvent, { type: Type }>['data'];

/** A command of the person `ada`. */
export const command = <Type extends RegistryCommand['type']>(type: Type, data: CommandData<Type>) => ({
  type,
  data,
  metadata: metadata(),
});

export const digestOf = (char: string): string => `sha256:${char.repeat(64)}`;
export const modelId = '0'.repeat(32);
export const loggedModelId = `m-${'1'.repeat(32)}`;

/** A file of nine bytes, whose digest is one repeated character. */
export const file = (path: string, char = 'a') => ({ path, digest: digestOf(char), sizeBytes: 9 });

export const experimentData: EventData<'ExperimentCreated'> = {
  experimentId: '1',
  name: 'scoring',
  artifactLocation: 'mlflow-artifacts:/1',
  tags: [{ key: 'team', value: 'risk' }],
};

export const runData: EventData<'RunStarted'> = {
  runId: 'r',
  experimentId: '1',
  name: 'first',
  userId: 'ada',
  startTimeMs: 0,
  artifactUri: 'mlflow-artifacts:/1/r/artifacts',
  tags: [{ key: 'team', value: 'risk' }],
};

export const loggedModelData: EventData<'LoggedModelCreated'> = {
  loggedModelId,
  experimentId: '1',
  name: 'model',
  modelType: '',
  sourceRunId: 'r',
  artifactUri: `mlflow-artifacts:/1/models/${loggedModelId}/artifacts`,
  params: [{ key: 'depth', value: '3' }],
  tags: [{ key: 'team', value: 'risk' }],
};

export const registeredModelData: EventData<'RegisteredModelCreated'> = {
  modelId,
  name: 'credit',
  description: null,
  tags: [{ key: 'team', value: 'risk' }],
  isPrompt: false,
  firstVersion: 1,
};

/** A version whose files lie outside the platform. */
export const versionData: CommandData<'RegisterModelVersion'> = {
  modelId,
  source: 's3://bucket/model',
  storageLocation: 's3://bucket/model',
  runId: null,
  loggedModelId: null,
  runLink: '',
  description: '',
  tags: [],
  artifacts: null,
  trainedBy: null,
};
