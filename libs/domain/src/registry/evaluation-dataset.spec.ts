import { fold } from '@kontor/event-sourcing';
import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { registryCommands } from './commands.js';
import { evaluationDataset } from './evaluation-dataset.js';
import type { DatasetRecord, RegistryEvent } from './events.js';
import { command } from './fixture.js';

const datasetId = `d-${'1'.repeat(32)}`;
const idOf = (n: number): string => `dr-${String(n).padStart(32, '0')}`;
const team = { key: 'team', value: 'risk' };
const created: RegistryEvent = {
  type: 'EvaluationDatasetCreated',
  data: { datasetId, name: 'questions', experimentIds: ['1'], tags: [team] },
};
const deleted: RegistryEvent = { type: 'EvaluationDatasetDeleted', data: { datasetId } };

const record = (n: number, change: Partial<DatasetRecord> = {}): DatasetRecord => ({
  recordId: idOf(n),
  inputs: `{"q": ${n}}`,
  outputs: '"yes"',
  expectations: [{ key: 'answer', value: '1' }],
  tags: [],
  source: null,
  ...change,
});
const question = { group: 'inputs' as const, key: 'q', type: 'integer' };

type Merged = Extract<RegistryEvent, { type: 'EvaluationDatasetRecordsMerged' }>['data'];
const merged = (data: Partial<Merged>): RegistryEvent => ({
  type: 'EvaluationDatasetRecordsMerged',
  data: { datasetId, fields: [], inserted: [], updated: [], ...data },
});
const merge = (
  records: Parameters<typeof command<'MergeEvaluationDatasetRecords'>>[1]['records'],
  fields = [question],
) => command('MergeEvaluationDatasetRecords', { datasetId, fields, records });
const known = merged({ fields: [question], inserted: [record(1)] });

const { given } = deciderSpec(evaluationDataset);

describe('an evaluation dataset', () => {
  it('is created once, and is gone for good when it is deleted', () => {
    const create = command('CreateEvaluationDataset', created.data as never);
    given([]).when(create).then([created]);
    for (const before of [[created], [created, deleted]])
      given(before).when(create).thenRejected('EVALUATION_DATASET_EXISTS', { datasetId });
    given([created]).when(command('DeleteEvaluationDataset', { datasetId })).then([deleted]);
    for (const other of [
      command('DeleteEvaluationDataset', { datasetId }),
      command('SetEvaluationDatasetTags', { datasetId, tags: [] }),
      command('RemoveEvaluationDatasetTag', { datasetId, key: 'team' }),
      command('AddExperimentsToEvaluationDataset', { datasetId, experimentIds: [] }),
      command('RemoveExperimentsFromEvaluationDataset', { datasetId, experimentIds: [] }),
      merge([]),
      command('DeleteEvaluationDatasetRecords', { datasetId, recordIds: [] }),
    ]) {
      given([]).when(other).thenRejected('EVALUATION_DATASET_UNKNOWN', { datasetId });
      given([created, deleted]).when(other).thenRejected('EVALUATION_DATASET_UNKNOWN', { datasetId });
    }
  });

  it('records tags that change, with what they were, and forgets what is not there in silence', () => {
    const set = (...tags: { key: string; value: string }[]) => command('SetEvaluationDatasetTags', { datasetId, tags });
    given([created])
      .when(set(team, { key: 'a', value: '1' }, { key: 'a', value: '2' }))
      .then([
        {
          type: 'EvaluationDatasetTagsSet',
          data: { datasetId, tags: [{ key: 'a', value: '2', previousValue: null }] },
        },
      ]);
    given([created]).when(set(team)).thenNothing();
    const remove = (key: string) => command('RemoveEvaluationDatasetTag', { datasetId, key });
    given([created])
      .when(remove('team'))
      .then([{ type: 'EvaluationDatasetTagRemoved', data: { datasetId, key: 'team', previousValue: 'risk' } }]);
    given([created]).when(remove('other')).thenNothing();
  });

  it('belongs to experiments, each once', () => {
    const add = (...experimentIds: string[]) =>
      command('AddExperimentsToEvaluationDataset', { datasetId, experimentIds });
    const remove = (...experimentIds: string[]) =>
      command('RemoveExperimentsFromEvaluationDataset', { datasetId, experimentIds });
    const added: RegistryEvent = {
      type: 'EvaluationDatasetExperimentsAdded',
      data: { datasetId, experimentIds: ['2'] },
    };
    given([created])
      .when(add('1', '2', '2'))
      .then([added]);
    given([created, added]).when(add('2', '1')).thenNothing();
    given([created, added])
      .when(remove('1', '9'))
      .then([{ type: 'EvaluationDatasetExperimentsRemoved', data: { datasetId, experimentIds: ['1'] } }]);
    given([created]).when(remove('9')).thenNothing();
  });
});

describe('the records of an evaluation dataset', () => {
  it('are one per inputs: a second one adds expectations and tags, and replaces outputs if it has some', () => {
    given([created])
      .when(merge([record(1)]))
      .then([known]);
    given([created, known])
      .when(merge([record(1, { expectations: [{ key: 'tone', value: '"kind"' }], tags: [team] })]))
      .then([
        merged({ updated: [{ recordId: idOf(1), expectations: [{ key: 'tone', value: '"kind"' }], tags: [team] }] }),
      ]);
    given([created, known])
      .when(merge([record(1, { outputs: null })]))
      .then([merged({ updated: [{ recordId: idOf(1), outputs: null, expectations: [], tags: [] }] })]);
    const { outputs: _, ...withoutOutputs } = record(1);
    given([created, known])
      .when(merge([withoutOutputs]))
      .thenNothing();
    given([created])
      .when(merge([withoutOutputs], []))
      .then([merged({ inserted: [record(1, { outputs: '{}' })] })]);
  });

  it('change nothing when they say again what is known', () => {
    given([created, known])
      .when(merge([record(1), record(1, { expectations: null })]))
      .thenNothing();
  });

  it('may come twice in one batch', () => {
    given([created])
      .when(merge([record(1), record(1), record(1, { outputs: '"no"' })]))
      .then([
        merged({
          fields: [question],
          inserted: [record(1)],
          updated: [{ recordId: idOf(1), outputs: '"no"', expectations: [], tags: [] }],
        }),
      ]);
  });

  it('are deleted, and can be there again', () => {
    const remove = command('DeleteEvaluationDatasetRecords', { datasetId, recordIds: [idOf(1), idOf(1), idOf(2)] });
    const gone: RegistryEvent = { type: 'EvaluationDatasetRecordsDeleted', data: { datasetId, recordIds: [idOf(1)] } };
    given([created, known]).when(remove).then([gone]);
    given([created, known, gone]).when(remove).thenNothing();
    given([created, known, gone])
      .when(merge([record(1)]))
      .then([merged({ inserted: [record(1)] })]);
  });

  it('fill as many events as they need, all of one append', () => {
    const large = Array.from({ length: 30 }, (_, n) => record(n, { inputs: `"${'x'.repeat(20_000)}"` }));
    const state = fold(evaluationDataset, [created]);
    const events = evaluationDataset.decide(merge([...large, record(3, { outputs: null })]), state);
    if (!Array.isArray(events)) throw new Error('refused');
    expect(events.length).toBeGreaterThan(5);
    for (const event of events as RegistryEvent[]) expect(JSON.stringify(event).length).toBeLessThan(100_000);
    const after = evaluationDataset.decide(
      merge(large),
      fold(evaluationDataset, [created, ...(events as RegistryEvent[])]),
    );
    expect(after).toEqual([merged({ updated: [{ recordId: idOf(3), outputs: '"yes"', expectations: [], tags: [] }] })]);
  });
});

describe('a command about an evaluation dataset', () => {
  it.each([
    ['datasetId', { datasetId: 'x' }],
    ['name', { name: '' }],
    ['name', { name: 'x'.repeat(256) }],
    ['experimentIds.0', { experimentIds: ['x'] }],
    ['tags.0.key', { tags: [{ key: '', value: '' }] }],
    ['tags.0.value', { tags: [{ key: 'k', value: 'x'.repeat(5001) }] }],
  ])('with a wrong %s is invalid', (field, change) => {
    const { error } = registryCommands.CreateEvaluationDataset.safeParse({ ...created.data, ...change });
    expect(error?.issues[0]?.path.join('.')).toBe(field);
  });

  it('names records by ids of their form', () => {
    const { error } = registryCommands.MergeEvaluationDatasetRecords.safeParse({
      ...{ datasetId, fields: [], records: [record(1), record(2, { recordId: 'dr-2' })] },
    });
    expect(error?.issues[0]?.path.join('.')).toBe('records.1.recordId');
  });
});
