import { isJsonObject, type Json, type JsonObject, pythonFloat } from './json.js';

/** Attributes that MLflow gives a meaning. @source MLflow 3.17, `SpanAttributeKey` */
export const SPAN_ATTRIBUTES = {
  traceId: 'mlflow.traceRequestId',
  type: 'mlflow.spanType',
  inputs: 'mlflow.spanInputs',
  outputs: 'mlflow.spanOutputs',
  sessions: ['session.id', 'gen_ai.conversation.id'],
  user: 'user.id',
  tag: 'mlflow.traceTag.',
} as const;

/** The objects of a list that a message has under a name. */
export const listIn = (message: Json | undefined, name: string): readonly JsonObject[] => {
  const list = isJsonObject(message) ? message[name] : undefined;
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
};

const textIn = (message: JsonObject, name: string): string => {
  const value = message[name];
  return typeof value === 'string' ? value : '';
};

/** Texts are written as they are: people search for them. */
const text = (value: string): string => JSON.stringify(value);

const WORDS: Readonly<Record<string, string>> = { NaN: 'NaN', Infinity: 'Infinity', '-Infinity': '-Infinity' };

/** OpenTelemetry's AnyValue as the JSON that MLflow keeps of it. @source MLflow 3.17, `dump_span_attribute_value` */
export const valueJson = (any: Json | undefined): string => {
  if (!isJsonObject(any)) return 'null';
  const [kind, value] = Object.entries(any)[0] ?? [];
  switch (kind) {
    case 'string_value':
    case 'bytes_value':
      return text(String(value));
    case 'double_value':
      return typeof value === 'number' ? pythonFloat(value) : (WORDS[String(value)] ?? 'null');
    case 'bool_value':
    case 'int_value':
      return String(value);
    case 'array_value':
      return `[${(isJsonObject(value) && Array.isArray(value['values']) ? value['values'] : []).map(valueJson).join(', ')}]`;
    case 'kvlist_value':
      return `{${attributesOf(value, 'values')
        .map(([key, item]) => `${text(key)}: ${valueJson(item)}`)
        .join(', ')}}`;
    default:
      return 'null';
  }
};

/** Keys and AnyValues of a message; of a key that comes twice the last one. */
export const attributesOf = (
  message: Json | undefined,
  list = 'attributes',
): readonly (readonly [key: string, value: Json | undefined])[] => [
  ...new Map(listIn(message, list).map((pair) => [textIn(pair, 'key'), pair['value']] as const)),
];

/** A value as a text: what is none is shown as JSON. */
export const valueText = (any: Json | undefined): string =>
  isJsonObject(any) && typeof any['string_value'] === 'string' ? any['string_value'] : valueJson(any);

const idText = (base64: string, digits: number): string =>
  Buffer.from(base64, 'base64').toString('hex').padStart(digits, '0');

export const spanIdOf = (span: JsonObject, name = 'span_id'): string => idText(textIn(span, name), 16);
export const traceIdOf = (span: JsonObject, name = 'trace_id'): string => `tr-${idText(textIn(span, name), 32)}`;

export const statusOf = ({ status }: JsonObject): 'UNSET' | 'OK' | 'ERROR' => {
  const code = isJsonObject(status) ? textIn(status, 'code') : '';
  return code === 'STATUS_CODE_OK' ? 'OK' : code === 'STATUS_CODE_ERROR' ? 'ERROR' : 'UNSET';
};

const byKey = (message: JsonObject, write: (value: Json | undefined) => string): string =>
  `{${attributesOf(message)
    .map(([key, value]) => `${text(key)}: ${write(value)}`)
    .join(', ')}}`;

const quoted = (json: string): string => text(json);

/** A span in the form of `traces.json`: attributes as texts of JSON. @source MLflow 3.17, `Span.to_dict` */
export const spanFileJson = (span: JsonObject): string => {
  const { status, start_time_unix_nano: start = 0, end_time_unix_nano: end = null } = span;
  const events = listIn(span, 'events').map(
    (event) =>
      `{"name": ${text(textIn(event, 'name'))}, "time_unix_nano": ${String(event['time_unix_nano'] ?? 0)}, ` +
      `"attributes": ${byKey(event, valueJson)}}`,
  );
  const links = listIn(span, 'links').map(
    (link) =>
      `{"trace_id": ${text(traceIdOf(link))}, "span_id": ${text(spanIdOf(link))}, ` +
      `"attributes": ${listIn(link, 'attributes').length > 0 ? byKey(link, valueJson) : 'null'}}`,
  );
  const fields = [
    `"trace_id": ${text(textIn(span, 'trace_id'))}`,
    `"span_id": ${text(textIn(span, 'span_id'))}`,
    `"parent_span_id": ${span['parent_span_id'] === undefined ? 'null' : text(textIn(span, 'parent_span_id'))}`,
    `"name": ${text(textIn(span, 'name'))}`,
    `"start_time_unix_nano": ${String(start)}`,
    `"end_time_unix_nano": ${String(end)}`,
    `"events": [${events.join(', ')}]`,
    `"status": {"code": "STATUS_CODE_${statusOf(span)}", "message": ${text(isJsonObject(status) ? textIn(status, 'message') : '')}}`,
    `"attributes": ${byKey(span, (value) => quoted(valueJson(value)))}`,
    `"links": [${links.join(', ')}]`,
  ];
  return `{${fields.join(', ')}}`;
};
