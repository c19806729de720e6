import { invalid } from './errors.js';
import { doublesJson, type Json, parsePythonJson, spacedJson } from './json.js';
import { json, map, type Message, message, oneOf, string, wrongValue } from './message.js';
import { atMost } from './names.js';

/** An assessment on the wire. @source MLflow 3.17, `assessments.proto` */
export const assessmentFields = {
  assessment_id: string,
  assessment_name: string,
  span_id: string,
  source: message({ source_type: oneOf('HUMAN', 'LLM_JUDGE', 'CODE'), source_id: string }),
  create_time: string,
  last_update_time: string,
  expectation: message({ value: json, serialized_value: message({ serialization_format: string, value: string }) }),
  feedback: message({
    value: json,
    error: message({ error_code: string, error_message: string, stack_trace: string }),
  }),
  issue: message({ issue_name: string }),
  rationale: string,
  metadata: map,
  overrides: string,
} as const;

export type AssessmentMessage = Message<typeof assessmentFields>;

/** Characters of a value's JSON and of a rationale: Kontor's own limit, so that one assessment fits in one event. */
const MAX_CHARACTERS = 24_000;

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** Milliseconds of protobuf's text of a time. @throws MlflowError for what is none. */
export const timestampMs = (path: string, text: string): number => {
  const ms = RFC_3339.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(ms)) throw wrongValue(path, text);
  return ms;
};

export const pairsOf = (values: Readonly<Record<string, string>> = {}) =>
  Object.entries(values).map(([key, value]) => ({ key, value }));

const parsed = (text: string): Json => {
  try {
    return parsePythonJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid(
      `Invalid value for parameter 'assessment.expectation.serialized_value.value' supplied: it is no JSON.`,
    );
  }
};

const expectationText = ({ value, serialized_value }: NonNullable<AssessmentMessage['expectation']>): string => {
  if (serialized_value !== undefined) {
    const { serialization_format: format = '', value: text = '' } = serialized_value;
    if (format !== 'JSON_FORMAT')
      throw invalid(`Unknown serialization format: ${format}. Only JSON_FORMAT is supported.`);
    return spacedJson(parsed(text));
  }
  if (value === undefined) throw invalid('The `value` field must be specified.');
  return doublesJson(value);
};

const errorOf = ({ error }: NonNullable<AssessmentMessage['feedback']>) =>
  error === undefined
    ? null
    : {
        errorCode: atMost(250, 'error_code', error.error_code ?? ''),
        errorMessage: error.error_message ? atMost(8000, 'error_message', error.error_message) : null,
        stackTrace: error.stack_trace ? atMost(8000, 'stack_trace', error.stack_trace) : null,
      };

/** What an assessment says: of which kind it is, and its value. @throws MlflowError in MLflow's words if it says nothing. */
export const judgementOf = ({ expectation, feedback, issue }: AssessmentMessage) => {
  const value = (text: string) => atMost(MAX_CHARACTERS, 'value', text);
  if (expectation) return { kind: 'expectation' as const, value: value(expectationText(expectation)), error: null };
  if (feedback)
    return { kind: 'feedback' as const, value: value(doublesJson(feedback.value ?? null)), error: errorOf(feedback) };
  if (issue)
    return { kind: 'issue' as const, value: value(spacedJson({ issue_name: issue.issue_name ?? '' })), error: null };
  throw invalid('Unknown assessment type: None');
};

export const checkedRationale = (rationale: string | undefined): string | null =>
  rationale ? atMost(MAX_CHARACTERS, 'rationale', rationale) : null;

export const checkedMetadata = (metadata: AssessmentMessage['metadata']) =>
  pairsOf(metadata).map(({ key, value }) => ({ key: atMost(250, 'key', key), value: atMost(8000, 'value', value) }));

const ID = /^[\p{L}\p{N}_.:-]{1,50}$/u;

/** @throws MlflowError for what no trace or assessment can have as its id. */
export const checkedId = (path: string, id: string): string => {
  if (ID.test(id)) return id;
  throw invalid(`Invalid value for parameter '${path}' supplied: must be 1 to 50 letters, digits, _, ., : and -.`);
};

/** A new assessment as the registry takes it; `path` of it in the request, `id` for one that comes without. */
export const toAssessment = (path: string, given: AssessmentMessage, nowMs: number, id: string) => {
  const at = (name: 'create_time' | 'last_update_time') =>
    given[name] ? timestampMs(`${path}.${name}`, given[name]) : nowMs;
  const judgement = judgementOf(given);
  return {
    assessmentId: given.assessment_id ? checkedId(`${path}.assessment_id`, given.assessment_id) : id,
    name: atMost(250, 'assessment_name', given.assessment_name ?? ''),
    ...judgement,
    sourceType: given.source?.source_type ?? 'SOURCE_TYPE_UNSPECIFIED',
    sourceId: given.source?.source_id ? atMost(250, 'source_id', given.source.source_id) : null,
    // An expectation has no reason.
    rationale: judgement.kind === 'expectation' ? null : checkedRationale(given.rationale),
    metadata: checkedMetadata(given.metadata),
    spanId: given.span_id ? atMost(50, 'span_id', given.span_id) : null,
    overrides: given.overrides || null,
    createTimeMs: at('create_time'),
    lastUpdateTimeMs: at('last_update_time'),
  };
};
