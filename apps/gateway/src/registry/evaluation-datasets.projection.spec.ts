import type { DatasetRecord, RegistryEvent } from '@kontor/domain/registry';
import { projectionSpec, recorded } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import { evaluationDatasetRecords, evaluationDatasets } from './evaluation-datasets.projection.js';

const datasetId = `d-${'1'.repeat(32)}`;
const stream = `default/registry/evaluation-dataset/${datasetId}`;
const data = { datasetId, name: 'questions', experimentIds: ['1'], tags: [{ key: 'team', value: 'risk' }] };
const created = { stream, type: 'EvaluationDatasetCreated' as const, data };
const record = (recordId: string): DatasetRecord => ({
  ...{ recordId, inputs: '{"q": 1}', outputs: '"yes"', expectations: null, tags: [], source: null },
});
const field = { group: 'inputs' as const, key: 'q', type: 'integer' };
const merged = {
  stream,
  type: 'EvaluationDatasetRecordsMerged' as const,
  data: {
    ...{ datasetId, fields: [field], inserted: [record('dr-1'), record('dr-2')] },
    updated: [{ recordId: 'dr-1', expectations: [{ key: 'answer', value: '1' }], tags: [] }],
  },
};
const changed = {
  stream,
  type: 'EvaluationDatasetRecordsMerged' as const,
  data: {
    ...{ datasetId, fields: [], inserted: [] },
    updated: [{ recordId: 'dr-2', outputs: null, expectations: [], tags: [{ key: 'team', value: 'risk' }] }],
  },
};
const removed = {
  stream,
  type: 'EvaluationDatasetRecordsDeleted' as const,
  data: { datasetId, recordIds: ['dr-1'] },
};
const at = (second: number): string => `2026-06-01T12:00:0${second}.000000Z`;

describe('evaluation datasets', () => {
  it('count their records, keep their schema, and know what changed them last', () => {
    const events = recorded<RegistryEvent>([
      created,
      merged,
      { stream, type: 'EvaluationDatasetExperimentsAdded', data: { datasetId, experimentIds: ['2', '3'] } },
      { stream, type: 'EvaluationDatasetExperimentsRemoved', data: { datasetId, experimentIds: ['1'] } },
      removed,
      {
        stream,
        type: 'EvaluationDatasetTagsSet',
        data: { datasetId, tags: [{ key: 'a', value: '1', previousValue: null }] },
      },
      { stream, type: 'EvaluationDatasetTagRemoved', data: { datasetId, key: 'team', previousValue: 'risk' } },
    ]);
    projectionSpec(evaluationDatasets)
      .given(events)
      .thenRows({
        [`default/${datasetId}`]: {
          ...{ ...data, experimentIds: ['2', '3'], tags: [{ key: 'a', value: '1' }] },
          ...{ fields: [field], recordCount: 1, hadRecords: true },
          ...{ createdAt: at(0), createdBy: 'ada', updatedAt: at(3), updatedBy: 'ada', mergedAt: at(1) },
        },
      });
  });

  it('are gone when they are deleted', () => {
    projectionSpec(evaluationDatasets)
      .given(recorded<RegistryEvent>([created, { stream, type: 'EvaluationDatasetDeleted', data: { datasetId } }]))
      .thenRows({});
  });
});

describe('records of evaluation datasets', () => {
  it('are what was merged into them, in the order in which they came, until they are deleted', () => {
    const rowOf = (recordId: string, index: number, updated: number, change: Partial<DatasetRecord>) => ({
      ...{ ...record(recordId), ...change, datasetId, inserted: `${'2'.padStart(19, '0')}/00000${index}` },
      ...{ createdAt: at(1), createdBy: 'ada', updatedAt: at(updated), updatedBy: 'ada' },
    });
    const second = rowOf('dr-2', 1, 2, { outputs: null, tags: [{ key: 'team', value: 'risk' }] });
    projectionSpec(evaluationDatasetRecords)
      .given(recorded<RegistryEvent>([created, merged, changed]))
      .thenRows({
        [`default/${datasetId}/dr-1`]: rowOf('dr-1', 0, 1, { expectations: [{ key: 'answer', value: '1' }] }),
        [`default/${datasetId}/dr-2`]: second,
      });
    projectionSpec(evaluationDatasetRecords)
      .given(recorded<RegistryEvent>([created, merged, changed, removed]))
      .thenRows({ [`default/${datasetId}/dr-2`]: second });
  });
});
