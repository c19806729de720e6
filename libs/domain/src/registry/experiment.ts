import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import { refuseDeletion } from './kept-versions.js';
import type { RegistryRejection } from './rejections.js';
import { evolveTags, removeTag, setTags, type Tags, tagsOf } from './tags.js';
import { changedSince, type Inverse, neverUndone, tagRemovedBack, tagSetBack, undone } from './undo.js';

interface Experiment {
  readonly status: 'Active' | 'Deleted';
  readonly name: string;
  readonly tags: Tags;
}

export type ExperimentState = { readonly status: 'None' } | Experiment;

export type ExperimentCommand = CommandOf<
  typeof registryCommands,
  | 'CreateExperiment'
  | 'RenameExperiment'
  | 'DeleteExperiment'
  | 'RestoreExperiment'
  | 'SetExperimentTag'
  | 'RemoveExperimentTag'
  | 'UndoExperiment'
>;

/** The rules of one experiment. Its name stays taken while it is deleted. */
export const experiment: Decider<ExperimentState, ExperimentCommand, RegistryEvent, RegistryRejection> = {
  initialState: { status: 'None' },
  decide: (command, state) => {
    const { experimentId } = command.data;
    if (command.type === 'CreateExperiment') {
      if (state.status !== 'None') return reject('EXPERIMENT_EXISTS', { experimentId });
      return [{ type: 'ExperimentCreated', data: command.data }];
    }
    if (state.status === 'None') return reject('EXPERIMENT_UNKNOWN', { experimentId });
    if (command.type === 'RestoreExperiment') {
      if (state.status === 'Active') return reject('EXPERIMENT_NOT_DELETED', { experimentId });
      return [{ type: 'ExperimentRestored', data: { experimentId } }];
    }
    if (command.type === 'UndoExperiment') {
      const { events, taken } = command.data;
      return undone(events, state, evolvePresent, (event, present) => eventBack(event, present, taken));
    }
    if (state.status === 'Deleted') return reject('EXPERIMENT_DELETED', { experimentId });
    const target = { aggregate: 'experiment', experimentId } as const;
    switch (command.type) {
      case 'RenameExperiment': {
        const { name, previousName } = command.data;
        if (previousName !== state.name) return reject('NAME_MOVED', { experimentId, name: state.name });
        return name === previousName ? [] : [{ type: 'ExperimentRenamed', data: { experimentId, name, previousName } }];
      }
      case 'DeleteExperiment':
        if (command.data.keptBy.length > 0) return refuseDeletion(target, command.data.keptBy, command.metadata);
        return [{ type: 'ExperimentDeleted', data: { experimentId } }];
      case 'SetExperimentTag':
        return setTags(target, state.tags, [{ key: command.data.key, value: command.data.value }]);
      case 'RemoveExperimentTag':
        return removeTag(target, state.tags, command.data.key);
      default:
        return unreachable(command);
    }
  },
  evolve: (state, event) => {
    if (event.type === 'ExperimentCreated') {
      return { status: 'Active', name: event.data.name, tags: tagsOf(event.data.tags) };
    }
    if (state.status === 'None') throw new Error(`${event.type} before ExperimentCreated`);
    return evolvePresent(state, event);
  },
};

const evolvePresent = (state: Experiment, event: RegistryEvent): Experiment => {
  switch (event.type) {
    case 'ExperimentRenamed':
      return { ...state, name: event.data.name };
    case 'ExperimentDeleted':
      return { ...state, status: 'Deleted' };
    case 'ExperimentRestored':
      return { ...state, status: 'Active' };
    default:
      return { ...state, tags: evolveTags(state.tags, event) };
  }
};

const eventBack = (event: RegistryEvent, { status, name, tags }: Experiment, taken: readonly string[]): Inverse => {
  if (event.type === 'ExperimentDeleted') {
    if (status === 'Active') return changedSince('whether the experiment is deleted');
    const { experimentId } = event.data;
    return { events: [{ type: 'ExperimentRestored', data: { experimentId, keepsDeletedRuns: true } }] };
  }
  if (status === 'Deleted') return { conflict: 'the experiment was deleted since' };
  switch (event.type) {
    case 'ExperimentRenamed': {
      const { experimentId, previousName } = event.data;
      if (name !== event.data.name) return changedSince('the name');
      if (taken.includes(previousName)) {
        return { conflict: `something else has the name ${JSON.stringify(previousName)} now` };
      }
      return {
        events: [{ type: 'ExperimentRenamed', data: { experimentId, name: previousName, previousName: name } }],
      };
    }
    case 'TagSet':
      return tagSetBack(event.data, tags);
    case 'TagRemoved':
      return tagRemovedBack(event.data, tags);
    default:
      return neverUndone(event);
  }
};
