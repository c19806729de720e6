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

export const traceId = `tr-${'2'.repeat(32)}`;

/** A trace as a client logs it at its end. */
export const traceData: EventData<'TraceLogged'> = {
  traceId,
  experimentId: '1',
  artifactUri: `mlflow-artifacts:/1/traces/${traceId}/artifacts`,
  isComplete: true,
  requestTimeMs: 1000,
  executionDurationMs: 500,
  state: 'OK',
  clientRequestId: null,
  requestPreview: 'why?',
  responsePreview: null,
  metadata: [{ key: 'mlflow.trace.session', value: 's1' }],
  tags: [{ key: 'team', value: 'risk' }],
};

/** Its root span, as it came on its own. */
export const spansData: EventData<'SpansLogged'> = {
  traceId,
  experimentId: '1',
  artifactUri: traceData.artifactUri,
  content: { digest: digestOf('a'), sizeBytes: 9 },
  spans: [
    {
      spanId: '1'.repeat(16),
      parentSpanId: null,
      name: 'answer',
      type: 'CHAIN',
      status: 'OK',
      startTimeUnixNano: '1000000000',
    },
  ],
  requestTimeMs: 1000,
  endTimeMs: 1400,
  state: 'OK',
  requestPreview: 'why?',
  responsePreview: 'because',
  metadata: [],
  tags: [],
};

export const assessmentData: EventData<'AssessmentCreated'>['assessment'] = {
  assessmentId: 'a-1',
  name: 'correctness',
  kind: 'feedback',
  value: 'true',
  error: null,
  sourceType: 'HUMAN',
  sourceId: 'bob@example.com',
  rationale: null,
  metadata: [],
  spanId: null,
  overrides: null,
  createTimeMs: 2000,
  lastUpdateTimeMs: 2000,
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
  filesOf: null,
  trainedBy: null,
};
