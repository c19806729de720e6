import {
  ADMIN,
  type CommandOf,
  type Decider,
  type Decision,
  mayAdminister,
  reject,
  unreachable,
} from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import type { RegistryEvent, Stage } from './events.js';
import { keptVersions, refuseDeletion } from './kept-versions.js';
import { protectAlias, removeAlias, setAlias } from './model-aliases.js';
import { modelEventBack } from './registered-model-undo.js';
import {
  evolve,
  evolvePresent,
  present,
  type RegisteredModel,
  type RegisteredModelState,
  versionOf,
} from './registered-model-state.js';
import type { RegistryRejection } from './rejections.js';
import { artifactsProblem } from '../version-artifacts.js';
import { removeTag, setTags } from './tags.js';
import { undone } from './undo.js';

export type { RegisteredModelState };

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
  | 'ProtectAlias'
  | 'UnprotectAlias'
  | 'RegisterModelVersion'
  | 'ChangeStage'
  | 'DeleteModelVersion'
  | 'RestoreModelVersion'
  | 'UndoRegisteredModel'
>;
type CommandWith<Type extends RegisteredModelCommand['type']> = Extract<RegisteredModelCommand, { type: Type }>;
type Decided = Decision<RegistryEvent, RegistryRejection>;

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
  if (command.type === 'UndoRegisteredModel') {
    return undone(command.data.events, state, evolvePresent, (event, model) => modelEventBack(event, model, command));
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
      if (command.data.name !== name) return reject('NAME_MOVED', { modelId, name });
      const kept = keptVersions(state, command.data.served);
      if (kept.length > 0) return refuseDeletion(target, kept, command.metadata);
      return [{ type: 'RegisteredModelDeleted', data: { modelId, name } }];
    }
    case 'SetRegisteredModelTag':
      return setTags(target, state.tags, [{ key: command.data.key, value: command.data.value }]);
    case 'RemoveRegisteredModelTag':
      return removeTag(target, state.tags, command.data.key);
    case 'SetAlias':
      return setAlias(command, state);
    case 'RemoveAlias':
      return removeAlias(command, state);
    case 'ProtectAlias':
    case 'UnprotectAlias':
      return protectAlias(command, state);
    case 'RegisterModelVersion': {
      const { filesOf: _, ...data } = command.data;
      const { artifacts, version = state.nextVersion } = data;
      const { actor } = command.metadata;
      if (command.data.version !== undefined && !mayAdminister(actor))
        return reject('ROLE_REQUIRED', { actor: actor.id, anyOf: [ADMIN] });
      if (version < state.nextVersion) return reject('VERSION_EXISTS', { name, version });
      const problem = artifacts === null ? undefined : artifactsProblem(artifacts);
      if (problem) return reject('DIGEST_MISMATCH', { name, problem });
      return [{ type: 'ModelVersionRegistered', data: { ...data, name, version, registeredBy: actor.id } }];
    }
    case 'ChangeStage':
      return changeStage(command.data, state);
    case 'DeleteModelVersion':
      return deleteVersion(command, state);
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

const changeStage = (
  { modelId, version, stage, archiveExistingVersions }: CommandWith<'ChangeStage'>['data'],
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

const deleteVersion = ({ data, metadata }: CommandWith<'DeleteModelVersion'>, model: RegisteredModel): Decided => {
  const { modelId, version, served } = data;
  const { name } = model;
  const deleted = present(model, version);
  if (deleted === undefined) return reject('VERSION_UNKNOWN', { name, version });
  const kept = keptVersions(model, served, [version]);
  if (kept.length > 0) return refuseDeletion({ aggregate: 'model-version', modelId, version }, kept, metadata);
  const reason = `Version ${version} was deleted.`;
  const aliases = [...model.aliases].filter(([, number]) => number === version);
  return [
    ...aliases.map(([alias]): RegistryEvent => ({
      type: 'AliasRemoved',
      data: { modelId, name, version, alias, reason },
    })),
    { type: 'ModelVersionDeleted', data: { modelId, name, version, stage: deleted.stage } },
  ];
};

/** The rules of one registered model and of all that concerns more than one of its versions. */
export const registeredModel: Decider<RegisteredModelState, RegisteredModelCommand, RegistryEvent, RegistryRejection> =
  { initialState: { status: 'None' }, decide, evolve };
