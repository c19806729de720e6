import { hash } from 'node:crypto';
import type { DatasetField, KeyValue } from '@kontor/domain/registry';
import type { EvaluationDatasetRecordRow, EvaluationDatasetRow } from '../registry/evaluation-datasets.projection.js';
import { asciiJson, type JsonObject, parsePythonJson, spacedJson } from './json.js';
import { toMs } from './names.js';

/** An object of Python's JSON whose values are JSON already. */
const jsonOf = (members: readonly KeyValue[]): string =>
  `{${members.map(({ key, value }) => `${asciiJson(key)}: ${value}`).join(', ')}}`;

const tagsJson = (tags: readonly KeyValue[]): string =>
  jsonOf(tags.map(({ key, value }) => ({ key, value: asciiJson(value) })));

const typesOf = (fields: readonly DatasetField[]) =>
  Object.fromEntries(fields.flatMap(({ key, type }) => (key === null ? [] : [[key, type]])));

/** Outputs are an object, or of one type: whichever came first. */
const schemaJson = (fields: readonly DatasetField[]): string => {
  const of = (group: DatasetField['group']) => fields.filter((field) => field.group === group);
  const [first] = of('outputs');
  return spacedJson({
    inputs: typesOf(of('inputs')),
    outputs: first?.key === null ? first.type : typesOf(of('outputs')),
    expectations: typesOf(of('expectations')),
    version: '1.0',
  });
};

/**
 * A dataset without its records.
 *
 * @source MLflow 3.17.2, mlflow/entities/evaluation_dataset.py; mlflow/store/tracking/sqlalchemy_store.py for schema, profile and
 * digest.
 */
export const evaluationDatasetJson = (row: EvaluationDatasetRow, withExperiments = false): object => {
  const { datasetId, name, tags, experimentIds, fields, recordCount, hadRecords } = row;
  const digest = hash('sha256', `${name}:${toMs(row.mergedAt)}`, 'hex').slice(0, 8);
  return {
    ...{ dataset_id: datasetId, name, digest },
    tags: tagsJson(tags),
    ...(hadRecords && {
      schema: schemaJson(fields),
      // Once it has lost its last record, its profile is a JSON null.
      profile: recordCount > 0 ? spacedJson({ num_records: recordCount }) : 'null',
    }),
    ...{ created_time: toMs(row.createdAt), last_update_time: toMs(row.updatedAt) },
    ...{ created_by: row.createdBy, last_updated_by: row.updatedBy },
    ...(withExperiments && experimentIds.length > 0 && { experiment_ids: experimentIds }),
  };
};

/** A record as JSON, in which every value stands as the client wrote it. */
export const datasetRecordJson = (row: EvaluationDatasetRecordRow): string => {
  const { recordId, datasetId, inputs, outputs, expectations, tags, source } = row;
  const { sourceType, sourceData = '{}' } = source ?? {};
  const { trace_id, source_id } = parsePythonJson(sourceData) as JsonObject;
  const sourceId = sourceType === 'TRACE' ? trace_id : source_id;
  const members: readonly (readonly [string, string | null])[] = [
    ['dataset_record_id', asciiJson(recordId)],
    ['dataset_id', asciiJson(datasetId)],
    ['inputs', inputs],
    ['outputs', outputs],
    ['expectations', expectations && jsonOf(expectations)],
    ['tags', tagsJson(tags)],
    ['source', source && `{"source_type": ${asciiJson(source.sourceType)}, "source_data": ${sourceData}}`],
    ['source_id', typeof sourceId === 'string' ? asciiJson(sourceId) : null],
    ['source_type', sourceType === undefined ? null : asciiJson(sourceType)],
    ['created_time', String(toMs(row.createdAt))],
    ['last_update_time', String(toMs(row.updatedAt))],
    ['created_by', asciiJson(row.createdBy)],
    ['last_updated_by', asciiJson(row.updatedBy)],
  ];
  return jsonOf(members.flatMap(([key, value]) => (value === null ? [] : [{ key, value }])));
};
