import type { EvaluationDatasetRow } from '../registry/evaluation-datasets.projection.js';
import { datasetRecordEntity, evaluationDatasetEntity, experimentEntity } from '../registry/registry.entities.js';
import type { MlflowCall } from './call.js';
import { inMlflowsWords } from './outcomes.js';
import { inCommands, parsedText, readRecords, tagPairs } from './dataset-record-input.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, missing } from './errors.js';
import { datasetRecordJson, evaluationDatasetJson } from './evaluation-dataset-json.js';
import { searchDatasetFields, searchDatasets } from './evaluation-dataset-search.js';
import { checkedExperimentId, ensureDefaultExperiment } from './experiments.js';
import { int64, repeated, required, string } from './message.js';
import { atMost, hexIdOf } from './names.js';
import { writePageToken } from './page-token.js';
import type { RowQuery } from './row-query.js';

const MAX_EXPERIMENTS = 1000;
/** Records of one page: as many as MLflow's client asks for, and fewer of large ones. */
const MAX_RECORDS = 1000n;
/** A page ends with the record that reaches this many characters. */
const PAGE_CHARACTERS = 8 * 1024 * 1024;
/** Records that are read at once: large ones of one statement stay below 20 MB. */
const PIECE_RECORDS = 100;
/** Ids of records that one command deletes. */
const DELETED_AT_ONCE = 5000;

/** @param unknown MLflow's words for one that does not exist, which differ from call to call. */
const datasetById = async (call: MlflowCall, id: string, unknown: string): Promise<EvaluationDatasetRow> => {
  const row = await (await call.rows()).byId(evaluationDatasetEntity, id);
  if (row) return row;
  throw missing(unknown);
};
const notFound = (id: string): string => `Dataset '${id}' not found.`;

/** Numbers of experiments that are there, deleted ones too. @throws MlflowError for one that is not. */
const knownExperiments = async (call: MlflowCall, ids: readonly string[]): Promise<readonly string[]> => {
  if (ids.length > MAX_EXPERIMENTS)
    throw invalid(`'experiment_ids' exceeds the maximum length of ${MAX_EXPERIMENTS} items`);
  const experimentIds = [...new Set(ids.map(checkedExperimentId))];
  if (experimentIds.includes('0')) await ensureDefaultExperiment(call);
  const rows = await (await call.rows()).all(experimentEntity, { experimentId: experimentIds }, 'key', MAX_EXPERIMENTS);
  const known = new Set(rows.map(({ experimentId }) => experimentId));
  const unknown = experimentIds.find((id) => !known.has(id));
  if (unknown !== undefined) throw missing(`No Experiment with id=${unknown}`);
  return experimentIds;
};

/** Tags stand in the messages as JSON in a text. */
const readTags = (text: string) =>
  tagPairs('tags', parsedText('tags', text)).map(({ key, value }) => {
    if (key === '') throw invalid("Invalid value for parameter 'tags' supplied: a key is empty.");
    return { key: atMost(255, 'key', key), value: atMost(5000, 'value', value) };
  });

/** How many of the records are there. */
const countRecords = (rows: RowQuery, datasetId: string, recordIds: Iterable<string>): Promise<number> => {
  const conditions = rows.conditions();
  conditions.add(`"datasetId" = ${conditions.bind(datasetId)}`);
  conditions.add(`"recordId" = ANY (${conditions.bind([...recordIds])})`);
  return rows.count(datasetRecordEntity, conditions);
};

/** Records as JSON, as many as are asked for or fill a page. */
const recordsPage = async (
  rows: RowQuery,
  datasetId: string,
  { offset, size }: { readonly offset: number; readonly size: number },
): Promise<{ readonly records: readonly string[]; readonly isLast: boolean }> => {
  const records: string[] = [];
  for (let characters = 0; ;) {
    const conditions = rows.conditions();
    conditions.add(`"datasetId" = ${conditions.bind(datasetId)}`);
    const piece = await rows.list(datasetRecordEntity, conditions, {
      orderBy: 'inserted, key',
      limit: PIECE_RECORDS,
      offset: offset + records.length,
    });
    for (const row of piece) {
      if (records.length === size || characters >= PAGE_CHARACTERS) return { records, isLast: false };
      const record = datasetRecordJson(row);
      characters += record.length;
      records.push(record);
    }
    if (piece.length < PIECE_RECORDS) return { records, isLast: true };
  }
};

const datasetId = { dataset_id: required(string) } as const;

/**
 * Datasets of questions and expected answers, as MLflow's client evaluates on them.
 *
 * @source MLflow 3.17.2, mlflow/server/handlers.py, mlflow/store/tracking/sqlalchemy_store.py and sqlalchemy_workspace_store.py.
 */
export const evaluationDatasetEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/datasets/create',
    creates: true,
    version: 3,
    fields: { name: required(string), experiment_ids: repeated(string), tags: string },
    handle: async ({ name, experiment_ids, tags }, call) => {
      const created = call.begin(evaluationDatasetEntity, 'CreateEvaluationDataset', {
        datasetId: `d-${hexIdOf(call.commandId)}`,
        name: atMost(255, 'name', name),
        tags: tags ? readTags(tags) : [],
        experimentIds: await knownExperiments(call, experiment_ids),
      });
      return { dataset: evaluationDatasetJson(await inMlflowsWords(created), true) };
    },
  }),
  ...(['POST', 'GET'] as const).map((method) =>
    endpoint({
      method,
      path: '/mlflow/datasets/search',
      version: 3,
      reads: true,
      fields: searchDatasetFields,
      handle: searchDatasets,
    }),
  ),
  endpoint({
    method: 'GET',
    path: '/mlflow/datasets/{dataset_id}',
    version: 3,
    fields: datasetId,
    handle: async ({ dataset_id }, call) => ({
      dataset: evaluationDatasetJson(
        await datasetById(call, dataset_id, `Evaluation dataset with id '${dataset_id}' not found`),
      ),
    }),
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/datasets/{dataset_id}',
    version: 3,
    fields: datasetId,
    handle: async ({ dataset_id }, call) => {
      // One that is not there is deleted too.
      const row = await (await call.rows()).byId(evaluationDatasetEntity, dataset_id);
      if (row) await call.send('DeleteEvaluationDataset', { datasetId: row.datasetId });
      return {};
    },
  }),
  endpoint({
    method: 'PATCH',
    path: '/mlflow/datasets/{dataset_id}/tags',
    version: 3,
    fields: { ...datasetId, tags: required(string) },
    handle: async ({ dataset_id, tags }, call) => {
      const pairs = readTags(tags);
      await datasetById(call, dataset_id, `Could not find evaluation dataset with ID ${dataset_id}`);
      await call.send('SetEvaluationDatasetTags', { datasetId: dataset_id, tags: pairs });
      return {};
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/datasets/{dataset_id}/tags/{key}',
    version: 3,
    fields: { ...datasetId, key: required(string) },
    handle: async ({ dataset_id, key }, call) => {
      const row = await (await call.rows()).byId(evaluationDatasetEntity, dataset_id);
      if (row?.tags.some((tag) => tag.key === key))
        await call.send('RemoveEvaluationDatasetTag', { datasetId: dataset_id, key });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/datasets/{dataset_id}/records',
    version: 3,
    fields: { ...datasetId, records: required(string) },
    handle: async ({ dataset_id, records: text }, call) => {
      const records = readRecords(dataset_id, text);
      await datasetById(call, dataset_id, notFound(dataset_id));
      const ids = new Set(records.map(({ record }) => record.recordId));
      const inserted = ids.size - (await countRecords(await call.rows(), dataset_id, ids));
      for (const part of inCommands(records))
        await call.send('MergeEvaluationDatasetRecords', { datasetId: dataset_id, ...part });
      return { inserted_count: inserted, updated_count: records.length - inserted };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/datasets/{dataset_id}/records',
    version: 3,
    fields: { ...datasetId, max_results: int64, page_token: string },
    handle: async ({ dataset_id, max_results = MAX_RECORDS, page_token }, call) => {
      if (max_results < 0n)
        throw invalid(
          `Invalid value ${max_results} for parameter 'max_results' supplied. It must be a positive integer`,
        );
      // 0 is what a client sends that does not say it.
      const size = Number(max_results === 0n || max_results > MAX_RECORDS ? MAX_RECORDS : max_results);
      const listing = ['dataset records', dataset_id];
      const token = call.readPageToken(listing, page_token);
      const rows = token ? call.rowsAt(token.position) : await call.rows();
      if (!(await rows.byId(evaluationDatasetEntity, dataset_id))) throw missing(notFound(dataset_id));
      const offset = token?.offset ?? 0;
      const { records, isLast } = await recordsPage(rows, dataset_id, { offset, size });
      return {
        records: `[${records.join(', ')}]`,
        ...(!isLast && {
          next_page_token: writePageToken(listing, { position: rows.position, offset: offset + records.length }),
        }),
      };
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/datasets/{dataset_id}/records',
    version: 3,
    fields: { ...datasetId, dataset_record_ids: repeated(string) },
    handle: async ({ dataset_id, dataset_record_ids }, call) => {
      await datasetById(call, dataset_id, notFound(dataset_id));
      // What has another form is no record of anybody.
      const recordIds = [...new Set(dataset_record_ids)].filter((id) => /^dr-[0-9a-f]{32}$/.test(id));
      const deleted = await countRecords(await call.rows(), dataset_id, recordIds);
      for (let at = 0; at < recordIds.length && deleted > 0; at += DELETED_AT_ONCE) {
        const some = recordIds.slice(at, at + DELETED_AT_ONCE);
        await call.send('DeleteEvaluationDatasetRecords', { datasetId: dataset_id, recordIds: some });
      }
      return { deleted_count: deleted };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/datasets/{dataset_id}/experiment-ids',
    version: 3,
    fields: datasetId,
    handle: async ({ dataset_id }, call) => {
      const row = await (await call.rows()).byId(evaluationDatasetEntity, dataset_id);
      const experimentIds = row?.experimentIds ?? [];
      return { ...(experimentIds.length > 0 && { experiment_ids: experimentIds }) };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/datasets/{dataset_id}/add-experiments',
    version: 3,
    fields: { ...datasetId, experiment_ids: repeated(string) },
    handle: async ({ dataset_id, experiment_ids }, call) => {
      const unknown = `Dataset '${dataset_id}' not found`;
      await datasetById(call, dataset_id, unknown);
      const experimentIds = await knownExperiments(call, experiment_ids);
      await call.send('AddExperimentsToEvaluationDataset', { datasetId: dataset_id, experimentIds });
      return { dataset: evaluationDatasetJson(await datasetById(call, dataset_id, unknown)) };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/datasets/{dataset_id}/remove-experiments',
    version: 3,
    fields: { ...datasetId, experiment_ids: repeated(string) },
    handle: async ({ dataset_id, experiment_ids }, call) => {
      const unknown = `Dataset '${dataset_id}' not found`;
      const { experimentIds: present } = await datasetById(call, dataset_id, unknown);
      const experimentIds = present.filter((id) => experiment_ids.includes(id));
      await call.send('RemoveExperimentsFromEvaluationDataset', { datasetId: dataset_id, experimentIds });
      return { dataset: evaluationDatasetJson(await datasetById(call, dataset_id, unknown)) };
    },
  }),
];
