import { type CommandOf, type Decider, unreachable } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import type { RegistryRejection } from './rejections.js';
import { removeTag, setTags, tagsOf } from './tags.js';

/** What this stream has changed; what the version was registered with stands on its model's stream. */
export interface ModelVersionState {
  readonly description: string | null;
  /** Null: removed here. */
  readonly tags: ReadonlyMap<string, string | null>;
}

export type ModelVersionCommand = CommandOf<
  typeof registryCommands,
  'DescribeModelVersion' | 'SetModelVersionTag' | 'RemoveModelVersionTag'
>;

const tagNow = (state: ModelVersionState, key: string, known: string | null) => {
  const value = state.tags.has(key) ? (state.tags.get(key) ?? null) : known;
  return tagsOf(value === null ? [] : [{ key, value }]);
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
      default:
        return unreachable(command);
    }
  },
  evolve: (state, event) => {
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
  },
};
