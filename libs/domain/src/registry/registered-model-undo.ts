import type { CommandOf } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import { mayMove } from './model-aliases.js';
import { present, type RegisteredModel, versionOf } from './registered-model-state.js';
import { changedSince, type Inverse, neverUndone, tagRemovedBack, tagSetBack } from './undo.js';

type Undo = CommandOf<typeof registryCommands, 'UndoRegisteredModel'>;
type Event<Type extends RegistryEvent['type']> = Extract<RegistryEvent, { type: Type }>['data'];

/** What undoes an event of a registered model. Aliases go back only by who may move them. */
export const modelEventBack = (event: RegistryEvent, model: RegisteredModel, command: Undo): Inverse => {
  const { modelId, taken } = command.data;
  const { name, status } = model;
  const isTaken = (wanted: string): Inverse => ({
    conflict: `something else has the name ${JSON.stringify(wanted)} now`,
  });
  if (event.type === 'RegisteredModelDeleted') {
    if (status === 'Active') return changedSince('whether the model is deleted');
    return taken.includes(name)
      ? isTaken(name)
      : { events: [{ type: 'RegisteredModelRestored', data: { modelId, name } }] };
  }
  if (status === 'Deleted') return { conflict: 'the model was deleted since' };
  switch (event.type) {
    case 'RegisteredModelRenamed': {
      const { previousName } = event.data;
      if (name !== event.data.name) return changedSince('the name');
      if (taken.includes(previousName)) return isTaken(previousName);
      return {
        events: [{ type: 'RegisteredModelRenamed', data: { modelId, name: previousName, previousName: name } }],
      };
    }
    case 'RegisteredModelDescribed': {
      const { description, previousDescription } = event.data;
      if (model.description !== description) return changedSince('the description');
      const back = { modelId, name, description: previousDescription, previousDescription: description };
      return { events: [{ type: 'RegisteredModelDescribed', data: back }] };
    }
    case 'AliasSet':
      return aliasSetBack(event.data, model, command);
    case 'AliasRemoved':
      return aliasRemovedBack(event.data, model, command);
    case 'AliasProtected':
    case 'AliasUnprotected':
      return { never: 'an alias is protected and freed by who may release' };
    case 'StageChanged': {
      const { version, stage, previousStage } = event.data;
      if (present(model, version)?.stage !== stage) return changedSince(`the stage of version ${version}`);
      const back = { modelId, name, version, stage: previousStage, previousStage: stage };
      return { events: [{ type: 'StageChanged', data: back }] };
    }
    case 'ModelVersionDeleted': {
      const { version } = event.data;
      if (!versionOf(model, version)?.deleted) return changedSince(`whether version ${version} is deleted`);
      return { events: [{ type: 'ModelVersionRestored', data: { modelId, name, version } }] };
    }
    case 'TagSet':
      return tagSetBack(event.data, model.tags);
    case 'TagRemoved':
      return tagRemovedBack(event.data, model.tags);
    default:
      return neverUndone(event);
  }
};

const PROTECTED: Inverse = { never: 'the alias is protected: only owner and admin move it' };

const aliasSetBack = (
  { alias, version, previousVersion }: Event<'AliasSet'>,
  model: RegisteredModel,
  { metadata, data }: Undo,
): Inverse => {
  const { modelId, position } = data;
  if (model.aliases.get(alias) !== version) return changedSince(`the alias ${JSON.stringify(alias)}`);
  if (!mayMove(alias, model, metadata)) return PROTECTED;
  const moved = { modelId, name: model.name, alias, reason: `Undo of position ${position}.` };
  if (previousVersion === null) return { events: [{ type: 'AliasRemoved', data: { ...moved, version } }] };
  if (!present(model, previousVersion)) return { conflict: `version ${previousVersion} was deleted since` };
  return {
    events: [{ type: 'AliasSet', data: { ...moved, version: previousVersion, previousVersion: version } }],
  };
};

const aliasRemovedBack = (
  { alias, version }: Event<'AliasRemoved'>,
  model: RegisteredModel,
  { metadata, data }: Undo,
): Inverse => {
  const { modelId, position } = data;
  if (model.aliases.has(alias)) return changedSince(`the alias ${JSON.stringify(alias)}`);
  if (!mayMove(alias, model, metadata)) return PROTECTED;
  if (!present(model, version)) return { conflict: `version ${version} is deleted` };
  const reason = `Undo of position ${position}.`;
  const set = { modelId, name: model.name, alias, version, previousVersion: null, reason };
  return { events: [{ type: 'AliasSet', data: set }] };
};
