import {
  type DatasetField,
  type DatasetRecord,
  type RegistryEvent,
  withoutKey,
  withValues,
} from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { logOrder } from './happened-at.js';

type Created = Extract<RegistryEvent, { type: 'EvaluationDatasetCreated' }>['data'];

export type EvaluationDatasetRow = Created & {
  /** Of the schema, in the order in which they came. */
  readonly fields: readonly DatasetField[];
  readonly recordCount: number;
  /** Whether it ever had a record. */
  readonly hadRecords: boolean;
  readonly createdAt: string;
  readonly createdBy: string;
  /** Of records, and of the experiments that it belongs to; not of tags. */
  readonly updatedAt: string;
  readonly updatedBy: string;
  /** When records were merged last; before that, when it was created. */
  readonly mergedAt: string;
};

/** Evaluation datasets. What they hold has rows of its own. */
export const evaluationDatasets: Projection<EvaluationDatasetRow, RegistryEvent> = {
  name: 'evaluation_datasets',
  version: 1,
  canHandle: [
    'EvaluationDatasetCreated',
    'EvaluationDatasetDeleted',
    'EvaluationDatasetTagsSet',
    'EvaluationDatasetTagRemoved',
    'EvaluationDatasetExperimentsAdded',
    'EvaluationDatasetExperimentsRemoved',
    'EvaluationDatasetRecordsMerged',
    'EvaluationDatasetRecordsDeleted',
  ],
  keys: ({ workspace, data }) => ('datasetId' in data ? [rowKey(workspace, data.datasetId)] : []),
  evolve: (row, event) => {
    const { recordedAt: at, actor } = event;
    if (event.type === 'EvaluationDatasetCreated') {
      return {
        ...{ ...event.data, fields: [], recordCount: 0, hadRecords: false },
        ...{ createdAt: at, createdBy: actor, updatedAt: at, updatedBy: actor, mergedAt: at },
      };
    }
    if (row === undefined) return undefined;
    switch (event.type) {
      case 'EvaluationDatasetDeleted':
        return undefined;
      case 'EvaluationDatasetTagsSet': {
        const tags = event.data.tags.map(({ key, value }) => ({ key, value }));
        return { ...row, tags: [...withValues(row.tags, tags)] };
      }
      case 'EvaluationDatasetTagRemoved':
        return { ...row, tags: [...withoutKey(row.tags, event.data.key)] };
      case 'EvaluationDatasetExperimentsAdded':
        return { ...row, experimentIds: [...row.experimentIds, ...event.data.experimentIds], updatedAt: at };
      case 'EvaluationDatasetExperimentsRemoved': {
        const { experimentIds } = event.data;
        return { ...row, experimentIds: row.experimentIds.filter((id) => !experimentIds.includes(id)), updatedAt: at };
      }
      case 'EvaluationDatasetRecordsMerged': {
        const { fields, inserted } = event.data;
        return {
          ...row,
          fields: [...row.fields, ...fields],
          recordCount: row.recordCount + inserted.length,
          hadRecords: row.hadRecords || inserted.length > 0,
          ...{ updatedAt: at, updatedBy: actor, mergedAt: at },
        };
      }
      case 'EvaluationDatasetRecordsDeleted':
        return { ...row, recordCount: row.recordCount - event.data.recordIds.length };
      default:
        return row;
    }
  },
};

export type EvaluationDatasetRecordRow = DatasetRecord & {
  readonly datasetId: string;
  /** Text order is the order in which they came. */
  readonly inserted: string;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly updatedAt: string;
  readonly updatedBy: string;
};

/** Digits of the number of a record in its event. */
const INDEX_DIGITS = 6;

/** Records of evaluation datasets, also of deleted ones: whoever reads them asks for the dataset first. */
export const evaluationDatasetRecords: Projection<EvaluationDatasetRecordRow, RegistryEvent> = {
  name: 'evaluation_dataset_records',
  version: 1,
  canHandle: ['EvaluationDatasetRecordsMerged', 'EvaluationDatasetRecordsDeleted'],
  keys: ({ workspace, data }) => {
    if (!('datasetId' in data)) return [];
    const recordIds =
      'inserted' in data
        ? [...data.inserted, ...data.updated].map(({ recordId }) => recordId)
        : 'recordIds' in data
          ? data.recordIds
          : [];
    return [...new Set(recordIds)].map((recordId) => rowKey(workspace, data.datasetId, recordId));
  },
  evolve: (row, event, key) => {
    const { recordedAt: at, actor } = event;
    if (event.type !== 'EvaluationDatasetRecordsMerged') return undefined;
    const { datasetId, inserted, updated } = event.data;
    const isOfRow = ({ recordId }: { readonly recordId: string }) => key.endsWith(`/${recordId}`);
    const index = inserted.findIndex(isOfRow);
    const first = inserted[index];
    const before: EvaluationDatasetRecordRow | undefined = first
      ? {
          ...{ ...first, datasetId },
          inserted: `${logOrder(event.position)}/${String(index).padStart(INDEX_DIGITS, '0')}`,
          ...{ createdAt: at, createdBy: actor, updatedAt: at, updatedBy: actor },
        }
      : row;
    return updated.filter(isOfRow).reduce<EvaluationDatasetRecordRow | undefined>((known, change) => {
      if (known === undefined) return undefined;
      const { outputs = known.outputs, expectations, tags } = change;
      const added = expectations.length > 0 ? withValues(known.expectations ?? [], expectations) : known.expectations;
      return {
        ...known,
        ...{ outputs, expectations: added && [...added], tags: [...withValues(known.tags, tags)] },
        ...{ updatedAt: at, updatedBy: actor },
      };
    }, before);
  },
};
