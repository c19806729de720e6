import { type CommandOf, type Decider, unreachable } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import type { RegistryRejection } from './rejections.js';
import { removeTag, setTags, tagsOf } from './tags.js';
import { changedSince, type Inverse, neverUndone, tagRemovedBack, tagSetBack, undone } from './undo.js';

/** What this stream has changed; what the version was registered with stands on its model's stream. */
export interface ModelVersionState {
  readonly description: string | null;
  /** Null: removed here. */
  readonly tags: ReadonlyMap<string, string | null>;
}

export type ModelVersionCommand = CommandOf<
  typeof registryCommands,
  'DescribeModelVersion' | 'SetModelVersionTag' | 'RemoveModelVersionTag' | 'UndoModelVersion'
>;

const tagNow = (state: ModelVersionState, key: string, known: string | null) => {
  const value = state.tags.has(key) ? (state.tags.get(key) ?? null) : known;
  return tagsOf(value === null ? [] : [{ key, value }]);
};

const evolve = (state: ModelVersionState, event: RegistryEvent): ModelVersionState => {
  switch (event.type) {
    case 'ModelVersionDescribed':
      return { ...state, description: event.data.description };
    case 'TagSet':
      return { ...state, tags: new Map(state.tags).set(event.data.key, event.data.value) };
    case 'TagRemoved':
      return { ...state, tags: new Map(state.tags).set(event.data.key, null) };
    default:
      return state;
  }
};

const eventBack = (event: RegistryEvent, state: ModelVersionState): Inverse => {
  switch (event.type) {
    case 'ModelVersionDescribed': {
      const { modelId, version, description, previousDescription } = event.data;
      if (state.description !== description) return changedSince('the description');
      const back = { modelId, version, description: previousDescription, previousDescription: description };
      return { events: [{ type: 'ModelVersionDescribed', data: back }] };
    }
    case 'TagSet':
      return tagSetBack(event.data, tagNow(state, event.data.key, null));
    case 'TagRemoved':
      return tagRemovedBack(event.data, tagNow(state, event.data.key, null));
    default:
      return neverUndone(event);
  }
};

/** The rules of what concerns one version alone: description and tags. */
export const modelVersion: Decider<ModelVersionState, ModelVersionCommand, RegistryEvent, RegistryRejection> = {
  initialState: { description: null, tags: new Map() },
  decide: (command, state) => {
    const { modelId, version } = command.data;
    const target = { aggregate: 'model-version', modelId, version } as const;
    switch (command.type) {
      case 'DescribeModelVersion': {
        const { description, knownDescription } = command.data;
        const previousDescription = state.description ?? knownDescription;
        if (description === previousDescription) return [];
        return [{ type: 'ModelVersionDescribed', data: { modelId, version, description, previousDescription } }];
      }
      case 'SetModelVersionTag': {
        const { key, knownValue } = command.data;
        return setTags(target, tagNow(state, key, knownValue), [command.data]);
      }
      case 'RemoveModelVersionTag': {
        const { key, knownValue } = command.data;
        return removeTag(target, tagNow(state, key, knownValue), key);
      }
      case 'UndoModelVersion':
        return undone(command.data.events, state, evolve, eventBack);
      default:
        return unreachable(command);
    }
  },
  evolve,
};
