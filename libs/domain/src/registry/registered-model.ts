import { type CommandOf, type Decider, type Decision, reject, unreachable } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import type { RegistryEvent, Stage } from './events.js';
import type { RegistryRejection } from './rejections.js';
import { artifactsProblem } from '../version-artifacts.js';
import { evolveTags, removeTag, setTags, type Tags, tagsOf } from './tags.js';

interface Version {
  readonly stage: Stage;
  readonly deleted: boolean;
}

export interface RegisteredModel {
  readonly status: 'Active' | 'Deleted';
  readonly name: string;
  readonly description: string | null;
  readonly tags: Tags;
  readonly firstVersion: number;
  readonly nextVersion: number;
  /** What is not as it was registered. Most versions stay as they are, so a model of many thousands has a small state. */
  readonly changed: ReadonlyMap<number, Version>;
  readonly aliases: ReadonlyMap<string, number>;
}

export type RegisteredModelState = { readonly status: 'None' } | RegisteredModel;

export type RegisteredModelCommand = CommandOf<
  typeof registryCommands,
  | 'CreateRegisteredModel'
  | 'DescribeRegisteredModel'
  | 'RenameRegisteredModel'
  | 'DeleteRegisteredModel'
  | 'RestoreRegisteredModel'
  | 'SetRegisteredModelTag'
  | 'RemoveRegisteredModelTag'
  | 'SetAlias'
  | 'RemoveAlias'
  | 'RegisterModelVersion'
  | 'ChangeStage'
  | 'DeleteModelVersion'
  | 'RestoreModelVersion'
>;
type CommandData<Type extends RegisteredModelCommand['type']> = Extract<RegisteredModelCommand, { type: Type }>['data'];
type Decided = Decision<RegistryEvent, RegistryRejection>;

/** @source MLflow 3.18: `latest` in any case, and `v` with digits, name versions by themselves. */
const RESERVED_ALIAS = /^(latest|v\d+)$/i;

const decide = (command: RegisteredModelCommand, state: RegisteredModelState): Decided => {
  const { modelId } = command.data;
  if (command.type === 'CreateRegisteredModel') {
    if (state.status !== 'None') return reject('REGISTERED_MODEL_EXISTS', { modelId, name: state.name });
    return [{ type: 'RegisteredModelCreated', data: command.data }];
  }
  if (state.status === 'None') return reject('REGISTERED_MODEL_UNKNOWN', { modelId });
  const { name } = state;
  if (command.type === 'RestoreRegisteredModel') {
    if (state.status === 'Active') return reject('REGISTERED_MODEL_NOT_DELETED', { modelId, name });
    if (command.data.name !== name) return reject('NAME_MOVED', { modelId, name });
    return [{ type: 'RegisteredModelRestored', data: { modelId, name } }];
  }
  if (state.status === 'Deleted') return reject('REGISTERED_MODEL_DELETED', { modelId, name });
  const target = { aggregate: 'registered-model', modelId } as const;

  switch (command.type) {
    case 'DescribeRegisteredModel': {
      const { description } = command.data;
      if (description === state.description) return [];
      const data = { modelId, name, description, previousDescription: state.description };
      return [{ type: 'RegisteredModelDescribed', data }];
    }
    case 'RenameRegisteredModel':
      if (command.data.previousName !== name) return reject('NAME_MOVED', { modelId, name });
      if (command.data.name === name) return [];
      return [{ type: 'RegisteredModelRenamed', data: { modelId, name: command.data.name, previousName: name } }];
    case 'DeleteRegisteredModel': {
      const { servedBy } = command.data;
      if (command.data.name !== name) return reject('NAME_MOVED', { modelId, name });
      if (servedBy.length > 0) return reject('VERSION_IN_USE', { name, version: null, endpoints: servedBy });
      return [{ type: 'RegisteredModelDeleted', data: { modelId, name } }];
    }
    case 'SetRegisteredModelTag':
      return setTags(target, state.tags, [{ key: command.data.key, value: command.data.value }]);
    case 'RemoveRegisteredModelTag':
      return removeTag(target, state.tags, command.data.key);
    case 'SetAlias':
      return setAlias(command.data, state);
    case 'RemoveAlias': {
      const version = state.aliases.get(command.data.alias);
      if (version === undefined) return [];
      return [{ type: 'AliasRemoved', data: { modelId, name, version, alias: command.data.alias } }];
    }
    case 'RegisterModelVersion': {
      const { artifacts } = command.data;
      const problem = artifacts === null ? undefined : artifactsProblem(artifacts);
      if (problem) return reject('DIGEST_MISMATCH', { name, problem });
      const registeredBy = command.metadata.actor.id;
      const data = { ...command.data, name, version: state.nextVersion, registeredBy };
      return [{ type: 'ModelVersionRegistered', data }];
    }
    case 'ChangeStage':
      return changeStage(command.data, state);
    case 'DeleteModelVersion':
      return deleteVersion(command.data, state);
    case 'RestoreModelVersion': {
      const { version } = command.data;
      const known = versionOf(state, version);
      if (known === undefined) return reject('VERSION_UNKNOWN', { name, version });
      return known.deleted ? [{ type: 'ModelVersionRestored', data: { modelId, name, version } }] : [];
    }
    default:
      return unreachable(command);
  }
};

const AS_REGISTERED: Version = { stage: 'None', deleted: false };

/** Numbers have no gap, so those that were given are known without being kept. */
const versionOf = ({ firstVersion, nextVersion, changed }: RegisteredModel, version: number): Version | undefined =>
  version < firstVersion || version >= nextVersion ? undefined : (changed.get(version) ?? AS_REGISTERED);

const present = (model: RegisteredModel, version: number): Version | undefined => {
  const known = versionOf(model, version);
  return known === undefined || known.deleted ? undefined : known;
};

const setAlias = ({ modelId, alias, version }: CommandData<'SetAlias'>, model: RegisteredModel): Decided => {
  const { name } = model;
  if (RESERVED_ALIAS.test(alias)) return reject('ALIAS_RESERVED', { alias });
  if (present(model, version) === undefined) return reject('VERSION_UNKNOWN', { name, version });
  const previousVersion = model.aliases.get(alias) ?? null;
  if (previousVersion === version) return [];
  return [{ type: 'AliasSet', data: { modelId, name, version, alias, previousVersion } }];
};

const changeStage = (
  { modelId, version, stage, archiveExistingVersions }: CommandData<'ChangeStage'>,
  model: RegisteredModel,
): Decided => {
  const { name } = model;
  if (archiveExistingVersions && stage !== 'Staging' && stage !== 'Production') {
    return reject('ARCHIVE_NEEDS_ACTIVE_STAGE', { stage });
  }
  const moved = present(model, version);
  if (moved === undefined) return reject('VERSION_UNKNOWN', { name, version });
  const change = (number: number, from: Stage, to: Stage): RegistryEvent => ({
    type: 'StageChanged',
    data: { modelId, name, version: number, stage: to, previousStage: from },
  });
  const archived = archiveExistingVersions
    ? [...model.changed].filter(([number, other]) => number !== version && !other.deleted && other.stage === stage)
    : [];
  return [
    ...(moved.stage === stage ? [] : [change(version, moved.stage, stage)]),
    ...archived.map(([number, other]) => change(number, other.stage, 'Archived')),
  ];
};

const deleteVersion = (
  { modelId, version, servedBy }: CommandData<'DeleteModelVersion'>,
  model: RegisteredModel,
): Decided => {
  const { name } = model;
  const deleted = present(model, version);
  if (deleted === undefined) return reject('VERSION_UNKNOWN', { name, version });
  if (servedBy.length > 0) return reject('VERSION_IN_USE', { name, version, endpoints: servedBy });
  const aliases = [...model.aliases].filter(([, number]) => number === version);
  return [
    ...aliases.map(([alias]): RegistryEvent => ({ type: 'AliasRemoved', data: { modelId, name, version, alias } })),
    { type: 'ModelVersionDeleted', data: { modelId, name, version, stage: deleted.stage } },
  ];
};

const withVersion = (model: RegisteredModel, number: number, change: Partial<Version>): RegisteredModel => {
  const before = model.changed.get(number) ?? AS_REGISTERED;
  return { ...model, changed: new Map(model.changed).set(number, { ...before, ...change }) };
};

const evolve = (state: RegisteredModelState, event: RegistryEvent): RegisteredModelState => {
  if (event.type === 'RegisteredModelCreated') {
    const { name, description, tags, firstVersion } = event.data;
    return {
      status: 'Active',
      name,
      description,
      tags: tagsOf(tags),
      firstVersion,
      nextVersion: firstVersion,
      changed: new Map(),
      aliases: new Map(),
    };
  }
  if (state.status === 'None') throw new Error(`${event.type} before RegisteredModelCreated`);
  switch (event.type) {
    case 'RegisteredModelRenamed':
      return { ...state, name: event.data.name };
    case 'RegisteredModelDescribed':
      return { ...state, description: event.data.description };
    case 'RegisteredModelDeleted':
      return { ...state, status: 'Deleted' };
    case 'RegisteredModelRestored':
      return { ...state, status: 'Active' };
    case 'ModelVersionRegistered':
      return { ...state, nextVersion: event.data.version + 1 };
    case 'StageChanged':
      return withVersion(state, event.data.version, { stage: event.data.stage });
    case 'ModelVersionDeleted':
      return withVersion(state, event.data.version, { deleted: true });
    case 'ModelVersionRestored':
      return withVersion(state, event.data.version, { deleted: false });
    case 'AliasSet':
      return { ...state, aliases: new Map(state.aliases).set(event.data.alias, event.data.version) };
    case 'AliasRemoved':
      return { ...state, aliases: new Map([...state.aliases].filter(([alias]) => alias !== event.data.alias)) };
    default:
      return { ...state, tags: evolveTags(state.tags, event) };
  }
};

/** The rules of one registered model and of all that concerns more than one of its versions. */
export const registeredModel: Decider<RegisteredModelState, RegisteredModelCommand, RegistryEvent, RegistryRejection> =
  { initialState: { status: 'None' }, decide, evolve };
