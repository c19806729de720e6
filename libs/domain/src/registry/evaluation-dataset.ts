import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import { evolveRecords, type KnownRecords, mergeRecords, presentRecords } from './dataset-records.js';
import type { RegistryEvent } from './events.js';
import type { RegistryRejection } from './rejections.js';
import { previousValueOf, type Tags, tagsOf, withoutTag } from './tags.js';

interface EvaluationDataset {
  readonly status: 'Active';
  readonly tags: Tags;
  readonly experimentIds: readonly string[];
  readonly known: KnownRecords;
}

export type EvaluationDatasetState = { readonly status: 'None' | 'Deleted' } | EvaluationDataset;

export type EvaluationDatasetCommand = CommandOf<
  typeof registryCommands,
  | 'CreateEvaluationDataset'
  | 'DeleteEvaluationDataset'
  | 'SetEvaluationDatasetTags'
  | 'RemoveEvaluationDatasetTag'
  | 'AddExperimentsToEvaluationDataset'
  | 'RemoveExperimentsFromEvaluationDataset'
  | 'MergeEvaluationDatasetRecords'
  | 'DeleteEvaluationDatasetRecords'
>;

/** The rules of one evaluation dataset and its records. Names need not be unique, as in MLflow. */
export const evaluationDataset: Decider<
  EvaluationDatasetState,
  EvaluationDatasetCommand,
  RegistryEvent,
  RegistryRejection
> = {
  initialState: { status: 'None' },
  decide: (command, state) => {
    const { datasetId } = command.data;
    if (command.type === 'CreateEvaluationDataset') {
      if (state.status !== 'None') return reject('EVALUATION_DATASET_EXISTS', { datasetId });
      return [{ type: 'EvaluationDatasetCreated', data: command.data }];
    }
    if (state.status !== 'Active') return reject('EVALUATION_DATASET_UNKNOWN', { datasetId });
    switch (command.type) {
      case 'DeleteEvaluationDataset':
        return [{ type: 'EvaluationDatasetDeleted', data: { datasetId } }];
      case 'SetEvaluationDatasetTags': {
        const tags = Object.entries(tagsOf(command.data.tags))
          .filter(([key, value]) => state.tags[key] !== value)
          .map(([key, value]) => ({ key, value, previousValue: previousValueOf(state.tags, key) }));
        return tags.length === 0 ? [] : [{ type: 'EvaluationDatasetTagsSet', data: { datasetId, tags } }];
      }
      case 'RemoveEvaluationDatasetTag': {
        const { key } = command.data;
        if (state.tags[key] === undefined) return [];
        const previousValue = previousValueOf(state.tags, key) ?? '';
        return [{ type: 'EvaluationDatasetTagRemoved', data: { datasetId, key, previousValue } }];
      }
      case 'AddExperimentsToEvaluationDataset': {
        const wanted = [...new Set(command.data.experimentIds)];
        const experimentIds = wanted.filter((id) => !state.experimentIds.includes(id));
        if (experimentIds.length === 0) return [];
        return [{ type: 'EvaluationDatasetExperimentsAdded', data: { datasetId, experimentIds } }];
      }
      case 'RemoveExperimentsFromEvaluationDataset': {
        const experimentIds = state.experimentIds.filter((id) => command.data.experimentIds.includes(id));
        if (experimentIds.length === 0) return [];
        return [{ type: 'EvaluationDatasetExperimentsRemoved', data: { datasetId, experimentIds } }];
      }
      case 'MergeEvaluationDatasetRecords':
        return mergeRecords(command.data, state.known);
      case 'DeleteEvaluationDatasetRecords': {
        const recordIds = presentRecords(state.known, command.data.recordIds);
        return recordIds.length === 0
          ? []
          : [{ type: 'EvaluationDatasetRecordsDeleted', data: { datasetId, recordIds } }];
      }
      default:
        return unreachable(command);
    }
  },
  evolve: (state, event) => {
    if (event.type === 'EvaluationDatasetCreated') {
      const { tags, experimentIds } = event.data;
      return { status: 'Active', tags: tagsOf(tags), experimentIds, known: { fields: [], records: [] } };
    }
    if (state.status !== 'Active') throw new Error(`${event.type} of an evaluation dataset that is not there`);
    switch (event.type) {
      case 'EvaluationDatasetDeleted':
        return { status: 'Deleted' };
      case 'EvaluationDatasetTagsSet':
        return { ...state, tags: tagsOf(event.data.tags, state.tags) };
      case 'EvaluationDatasetTagRemoved':
        return { ...state, tags: withoutTag(state.tags, event.data.key) };
      case 'EvaluationDatasetExperimentsAdded':
        return { ...state, experimentIds: [...state.experimentIds, ...event.data.experimentIds] };
      case 'EvaluationDatasetExperimentsRemoved': {
        const { experimentIds } = event.data;
        return { ...state, experimentIds: state.experimentIds.filter((id) => !experimentIds.includes(id)) };
      }
      default:
        return { ...state, known: evolveRecords(state.known, event) };
    }
  },
};
