import { hash } from 'node:crypto';
import type { DatasetField, DatasetRecord } from '@kontor/domain/registry';
import { invalid } from './errors.js';
import {
  isJsonObject,
  type Json,
  type JsonObject,
  parseWrittenJson,
  pythonType,
  sortedJson,
  spacedJson,
  writtenNumber,
} from './json.js';

/** A record as the command has it, with what the schema is told of it. */
export interface RecordInput {
  readonly record: Omit<DatasetRecord, 'outputs'> & { readonly outputs?: string | null };
  readonly fields: readonly DatasetField[];
}

/** What a command may bring at once: it has at most 1 MiB, and each record and field its own quotes and names. */
const [BATCH_BYTES, BATCH_RECORDS] = [500_000, 5000];
/** Of the schema that one command brings. */
const MAX_KEYS = 5000;
/** So that a record fits in an event of 256 KiB. */
const MAX_RECORD_BYTES = 200_000;

const SOURCE_TYPES = ['UNSPECIFIED', 'TRACE', 'HUMAN', 'DOCUMENT', 'CODE'] as const;

const wrong = (path: string, expected: string, value: Json) =>
  invalid(
    `Invalid value for parameter '${path}' supplied: it must be ${expected}, got ${writtenNumber(value) === undefined ? pythonType(value) : 'a number'}.`,
  );

/** @param text JSON that stands in a text, as MLflow's messages have it. @throws MlflowError if it is none. */
export const parsedText = (path: string, text: string): Json => {
  try {
    return parseWrittenJson(text);
  } catch (error) {
    if (error instanceof SyntaxError)
      throw invalid(`Invalid value for parameter '${path}' supplied: it must be JSON in a text.`);
    throw error;
  }
};

/** @throws MlflowError for a text that the database cannot keep. */
const checkedCharacters = (path: string, what: 'key' | 'value', text: string): string => {
  if (text.includes('\0') || !text.isWellFormed())
    throw invalid(`Invalid value for parameter '${path}' supplied: a ${what} holds U+0000 or half of a character.`);
  return text;
};

/** @throws MlflowError unless the value is a JSON object. */
const checkedObject = (path: string, value: Json): JsonObject => {
  if (!isJsonObject(value)) throw wrong(path, 'a JSON object', value);
  for (const key of Object.keys(value)) checkedCharacters(path, 'key', key);
  return value;
};

/** As Python's `str` of it. */
const tagText = (value: Json): string => {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return writtenNumber(value) ?? spacedJson(value);
};

/** Tags as texts. One without a value is none. @throws MlflowError unless they stand in a JSON object. */
export const tagPairs = (path: string, value: Json) =>
  Object.entries(checkedObject(path, value)).flatMap(([key, tag]) =>
    tag === null ? [] : [{ key, value: checkedCharacters(path, 'value', tagText(tag)) }],
  );

/** Members as the events hold them: each value as JSON. */
const membersOf = (object: JsonObject) =>
  Object.entries(object).map(([key, value]) => ({ key, value: spacedJson(value) }));

/** @source MLflow 3.17.2, `_infer_field_type` of mlflow/store/tracking/sqlalchemy_store.py. */
const fieldType = (value: Json): string => {
  const number = writtenNumber(value);
  if (number !== undefined) return /^-?\d+$/.test(number) ? 'integer' : 'float';
  switch (pythonType(value)) {
    case 'NoneType':
      return 'null';
    case 'bool':
      return 'boolean';
    case 'str':
      return 'string';
    case 'list':
      return 'array';
    case 'dict':
      return 'object';
    default:
      return 'float';
  }
};

const fieldsOf = (group: DatasetField['group'], value: Json): readonly DatasetField[] =>
  isJsonObject(value)
    ? Object.entries(value).map(([key, member]) => ({ group, key, type: fieldType(member) }))
    : [{ group, key: null, type: fieldType(value) }];

const sourceOf = (path: string, value: Json): DatasetRecord['source'] => {
  if (value === null) return null;
  const { source_type: type = null, source_data: data = null } = checkedObject(path, value);
  if (typeof type !== 'string') throw wrong(`${path}.source_type`, 'a text', type);
  const sourceType = SOURCE_TYPES.find((known) => known === type.toUpperCase());
  if (sourceType === undefined) {
    const valid = SOURCE_TYPES.map((known) => `'${known}'`).join(', ');
    throw invalid(`Invalid dataset record source type: ${type.toUpperCase()}. Valid source types: [${valid}]`);
  }
  return { sourceType, sourceData: spacedJson(checkedObject(`${path}.source_data`, data ?? {})) };
};

const recordInput = (datasetId: string, path: string, value: Json): RecordInput => {
  const given = checkedObject(path, value);
  const inputs = checkedObject(`${path}.inputs`, given['inputs'] ?? {});
  const { outputs, expectations = null, tags = null, source = null } = given;
  const expected = expectations === null ? null : checkedObject(`${path}.expectations`, expectations);
  const record = {
    // As MLflow tells records apart, by their inputs; here the id says it.
    recordId: `dr-${hash('sha256', `${datasetId} ${sortedJson(inputs)}`, 'hex').slice(0, 32)}`,
    inputs: spacedJson(inputs),
    ...(outputs !== undefined && { outputs: outputs === null ? null : spacedJson(outputs) }),
    expectations: expected && membersOf(expected),
    tags: tags === null ? [] : tagPairs(`${path}.tags`, tags),
    source: sourceOf(`${path}.source`, source),
  };
  const sizeBytes = Buffer.byteLength(JSON.stringify(record));
  if (sizeBytes > MAX_RECORD_BYTES) {
    throw invalid(
      `Invalid value for parameter '${path}' supplied: it has ${sizeBytes} bytes; allowed are ${MAX_RECORD_BYTES}.`,
    );
  }
  const fields = [
    ...fieldsOf('inputs', inputs),
    ...((outputs ?? null) === null ? [] : fieldsOf('outputs', outputs as Json)),
    ...fieldsOf('expectations', expected ?? {}),
  ];
  if (fields.length > MAX_KEYS) {
    throw invalid(
      `Invalid value for parameter '${path}' supplied: it has ${fields.length} keys; allowed are ${MAX_KEYS}.`,
    );
  }
  return { record, fields };
};

/** The records of a request. @throws MlflowError that names the one that is none, by its place. */
export const readRecords = (datasetId: string, text: string): readonly RecordInput[] => {
  const records = parsedText('records', text);
  if (!Array.isArray(records)) throw wrong('records', 'a JSON list', records);
  return (records as readonly Json[]).map((record, index) => recordInput(datasetId, `records[${index}]`, record));
};

/** The records in as many commands as they need, each with its part of the schema. */
export const inCommands = (records: readonly RecordInput[]) => {
  const commands: { records: RecordInput['record'][]; fields: Map<string, DatasetField> }[] = [];
  let bytes = BATCH_BYTES;
  for (const { record, fields } of records) {
    let last = commands.at(-1);
    const size = Buffer.byteLength(JSON.stringify(record));
    if (
      last === undefined ||
      bytes + size > BATCH_BYTES ||
      last.records.length === BATCH_RECORDS ||
      last.fields.size + fields.length > MAX_KEYS
    ) {
      last = { records: [], fields: new Map() };
      commands.push(last);
      bytes = 0;
    }
    bytes += size;
    last.records.push(record);
    for (const field of fields) {
      const id = JSON.stringify([field.group, field.key]);
      if (!last.fields.has(id)) last.fields.set(id, field);
    }
  }
  return commands.map(({ records: some, fields }) => ({ records: some, fields: [...fields.values()] }));
};
