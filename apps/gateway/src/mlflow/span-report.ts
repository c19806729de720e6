import { isJsonObject, type Json, type JsonObject, parsePythonJson } from './json.js';
import { atMost, checkedKey, cut } from './names.js';
import { MlflowError } from './errors.js';
import { attributesOf, SPAN_ATTRIBUTES, spanIdOf, statusOf, valueJson, valueText } from './span-values.js';
import { isSystemTag, PREVIEW_LIMIT, tagValue } from './trace-fields.js';

/** Characters of a span's name and type that a search knows. */
const INDEXED_CHARACTERS = 250;

const isMessage = (item: Json): item is JsonObject => isJsonObject(item) && 'role' in item && 'content' in item;

/** Messages in the forms of OpenAI's requests and answers. @source MLflow 3.17, mlflow/tracing/utils/truncation.py */
const messagesIn = (value: Json | undefined): readonly JsonObject[] => {
  if (!isJsonObject(value)) return [];
  const { messages, choices, input, output, request } = value;
  if (Array.isArray(messages)) return messages.filter(isMessage);
  const choice: Json | undefined = Array.isArray(choices) ? choices[0] : undefined;
  const answer = isJsonObject(choice) ? choice['message'] : undefined;
  if (answer !== undefined && isMessage(answer)) return [answer];
  if (Array.isArray(input)) return input.filter(isMessage);
  if (Array.isArray(output)) return output.filter(isMessage);
  return messagesIn(request);
};

const textOf = ({ content }: JsonObject): string => {
  if (typeof content === 'string') return content;
  for (const part of Array.isArray(content) ? content : []) {
    if (typeof part === 'string') return part;
    if (isJsonObject(part) && (part['type'] === 'text' || part['type'] === 'output_text')) return String(part['text']);
  }
  return '';
};

/** The beginning of what was asked or answered: of the last message of a role if there are messages. */
const previewOf = (any: Json | undefined, role: 'user' | 'assistant'): string | null => {
  if (any === undefined) return null;
  const whole = valueJson(any);
  const messages = messagesIn(parsePythonJson(whole));
  const message = messages.findLast((known) => known['role'] === role) ?? messages.at(-1);
  const text = (message && textOf(message)) || whole;
  return text.length <= PREVIEW_LIMIT ? text : `${cut(PREVIEW_LIMIT - 3, text)}...`;
};

/** A tag that spans bring along; undefined for what cannot be one, which MLflow passes over too. */
const tagOf = (key: string, text: string): { readonly key: string; readonly value: string } | undefined => {
  try {
    return isSystemTag(key) ? undefined : { key: checkedKey('key', key), value: tagValue(key, text) };
  } catch (error) {
    if (error instanceof MlflowError) return undefined;
    throw error;
  }
};

const definedTags = (pairs: readonly (readonly [string, Json | undefined])[]) =>
  pairs.flatMap(([key, value]) => tagOf(key, valueText(value)) ?? []);

/** What is known of who makes the spans, but not of the software that it is made with. */
const resourceTags = (resource: Json | undefined) =>
  definedTags(attributesOf(resource).filter(([key]) => !/^(?:telemetry\.sdk\.|mlflow\.)/.test(key)));

const NANOSECONDS = 1_000_000n;
const msOf = (nanoseconds: Json | undefined): number => Number(BigInt(String(nanoseconds ?? 0)) / NANOSECONDS);

const firstOf = (spans: readonly JsonObject[], keys: readonly string[]): string | undefined => {
  for (const span of spans) {
    const known = new Map(attributesOf(span));
    const value = keys.map((key) => known.get(key)).find((any) => any !== undefined && valueText(any) !== '');
    if (value !== undefined) return valueText(value);
  }
  return undefined;
};

const indexOf = (span: JsonObject) => {
  const type = new Map(attributesOf(span)).get(SPAN_ATTRIBUTES.type);
  return {
    spanId: spanIdOf(span),
    parentSpanId: span['parent_span_id'] === undefined ? null : spanIdOf(span, 'parent_span_id'),
    name: cut(INDEXED_CHARACTERS, String(span['name'] ?? '')),
    type: cut(INDEXED_CHARACTERS, type === undefined ? 'UNKNOWN' : valueText(type)),
    status: statusOf(span),
    startTimeUnixNano: String(span['start_time_unix_nano'] ?? 0),
  };
};

/**
 * What spans of one trace say about it: when it was, how it went, who asked, and what a search asks of each.
 *
 * @param resource of the spans, whose attributes become tags of the trace.
 * @source MLflow 3.17, `SqlAlchemyStore.log_spans`
 * @throws MlflowError for an id of a session that is too long.
 */
export const reportOf = (spans: readonly JsonObject[], resource: Json | undefined) => {
  const root = spans.find((span) => span['parent_span_id'] === undefined);
  const known = new Map(attributesOf(root));
  const starts = spans.map((span) => msOf(span['start_time_unix_nano']));
  const end = Math.max(...spans.map((span) => msOf(span['end_time_unix_nano'])));
  const session = firstOf(spans, SPAN_ATTRIBUTES.sessions);
  const user = firstOf(spans, [SPAN_ATTRIBUTES.user]);
  const own = [...known].flatMap(([key, value]) =>
    key.startsWith(SPAN_ATTRIBUTES.tag) ? [[key.slice(SPAN_ATTRIBUTES.tag.length), value] as const] : [],
  );
  return {
    spans: spans.map(indexOf),
    requestTimeMs: Math.min(...starts),
    endTimeMs: end === 0 ? null : end,
    state: root === undefined ? null : statusOf(root) === 'ERROR' ? 'ERROR' : 'OK',
    requestPreview: previewOf(known.get(SPAN_ATTRIBUTES.inputs), 'user'),
    responsePreview: previewOf(known.get(SPAN_ATTRIBUTES.outputs), 'assistant'),
    metadata: [
      ...(session ? [{ key: 'mlflow.trace.session', value: atMost(250, 'Session ID', session) }] : []),
      ...(user ? [{ key: 'mlflow.trace.user', value: cut(8000, user) }] : []),
    ],
    // What the program says of this trace counts for more than what is true of all of them.
    tags: [...new Map([...resourceTags(resource), ...definedTags(own)].map((tag) => [tag.key, tag])).values()],
  };
};
