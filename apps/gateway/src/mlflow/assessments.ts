import type { TraceRow } from '../registry/traces.projection.js';
import { traceEntity } from '../registry/registry.entities.js';
import { assessmentFields, checkedMetadata, checkedRationale, judgementOf, toAssessment } from './assessment-fields.js';
import type { MlflowCall } from './call.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, missing } from './errors.js';
import { type Message, message, missingValue, required, string } from './message.js';
import { atMost, hexIdOf } from './names.js';
import { assessmentJson } from './trace-json.js';
import { traceById } from './trace-rows.js';

const PATH = '/mlflow/traces/{trace_id}/assessments';
const ids = { trace_id: required(string), assessment_id: required(string) } as const;

/** @throws MlflowError if there is none. */
const assessmentById = async (
  call: MlflowCall,
  { trace_id, assessment_id }: Message<typeof ids>,
): Promise<TraceRow['assessments'][number]> => {
  const row = await (await call.rows()).byId(traceEntity, trace_id);
  if (row === undefined || row.deleted) throw missing(`Trace with request_id '${trace_id}' not found`);
  const known = row.assessments.find(({ assessmentId }) => assessmentId === assessment_id);
  if (known) return known;
  throw missing(`Assessment with ID '${assessment_id}' not found for trace '${trace_id}'`);
};

const answer = async (call: MlflowCall, named: Message<typeof ids>): Promise<object> => ({
  assessment: assessmentJson(named.trace_id, await assessmentById(call, named)),
});

/** Paths of a field mask, which travel in lower camel case. @source protobuf, `field_mask.proto`, JSON mapping */
const pathsOf = (mask: string): readonly string[] =>
  mask.split(',').map((path) => path.trim().replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));

/** What of an assessment changes; a path that MLflow does not know changes nothing. */
const changesOf = (paths: readonly string[], given: Message<typeof assessmentFields>) => {
  const has = (path: string): boolean => paths.includes(path);
  if (has('valid')) throw invalid('An assessment becomes invalid by another one that overrides it.');
  const { expectation, feedback } = given;
  const kinds = (['expectation', 'feedback'] as const).filter(has);
  const judged = kinds.map((kind) =>
    judgementOf({
      ...given,
      expectation:
        kind === 'expectation' ? (expectation ?? { value: undefined, serialized_value: undefined }) : undefined,
      feedback: kind === 'feedback' ? (feedback ?? { value: undefined, error: undefined }) : undefined,
    }),
  );
  if (judged.length > 1) throw invalid('Cannot specify both `expectation` and `feedback` parameters.');
  const [judgement] = judged;
  return {
    kind: judgement?.kind,
    changed: {
      ...(has('assessment_name') && { name: atMost(250, 'assessment_name', given.assessment_name ?? '') }),
      ...(judgement && { value: judgement.value, error: judgement.error }),
      ...(has('rationale') && { rationale: checkedRationale(given.rationale) }),
      ...(has('metadata') && { metadata: checkedMetadata(given.metadata) }),
    },
  };
};

/** @source MLflow 3.17, mlflow/server/handlers.py, and mlflow/store/tracking/sqlalchemy_store.py for the texts. */
export const assessmentEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    version: 3,
    path: PATH,
    creates: true,
    fields: { trace_id: ids.trace_id, assessment: required(message(assessmentFields)) },
    handle: async ({ trace_id, assessment: given }, call) => {
      const assessment = toAssessment('assessment', given, Date.now(), `a-${hexIdOf(call.commandId)}`);
      if (assessment.name === '') throw missingValue('assessment.assessment_name');
      await traceById(call, trace_id);
      await call.send('CreateAssessment', { traceId: trace_id, assessment });
      return answer(call, { trace_id, assessment_id: assessment.assessmentId });
    },
  }),
  endpoint({
    method: 'GET',
    version: 3,
    path: `${PATH}/{assessment_id}`,
    fields: ids,
    handle: (named, call) => answer(call, named),
  }),
  endpoint({
    method: 'PATCH',
    version: 3,
    path: `${PATH}/{assessment_id}`,
    fields: { ...ids, assessment: required(message(assessmentFields)), update_mask: required(string) },
    handle: async ({ assessment, update_mask, ...named }, call) => {
      const { kind, changed } = changesOf(pathsOf(update_mask), assessment);
      if (changed.name === '') throw missingValue('assessment.assessment_name');
      const known = await assessmentById(call, named);
      // An expectation has no reason.
      const wanted = known.kind === 'expectation' ? { ...changed, rationale: undefined } : changed;
      const { trace_id: traceId, assessment_id: assessmentId } = named;
      await call.send('UpdateAssessment', { traceId, assessmentId, ...(kind && { kind }), changed: wanted });
      return answer(call, named);
    },
  }),
  endpoint({
    method: 'DELETE',
    version: 3,
    path: `${PATH}/{assessment_id}`,
    fields: ids,
    handle: async ({ trace_id: traceId, assessment_id: assessmentId }, call) => {
      const row = await (await call.rows()).byId(traceEntity, traceId);
      // As MLflow: what is not there is deleted.
      if (row && !row.deleted) await call.send('DeleteAssessment', { traceId, assessmentId });
      return {};
    },
  }),
];
