import { invalid, missing } from './errors.js';
import { isJsonObject, type Json, type JsonObject, parsePythonJson, pythonType, refuseTooDeep } from './json.js';

/** Options of third-party scorers that choose whom their client of a language model calls. */
const DESTINATION_KEYS = ['api_base', 'base_url', 'custom_llm_provider', 'fallbacks', 'model_list'];

/**
 * Why a serialized scorer is not kept: it holds program code, which clients would run, or says whom to call.
 *
 * @source MLflow 3.17.2, `_validate_serialized_scorer_payload` of mlflow/server/handlers.py, and
 * `_validate_third_party_scorer_data` of mlflow/utils/validation.py.
 * @throws MlflowError in MLflow's words; of the first, those that are about its server's settings are left out.
 */
export const checkSerializedScorer = (text: string): JsonObject => {
  const scorer = parsed(text);
  if (!isJsonObject(scorer)) throw invalid(`serialized_scorer must be a JSON object, got ${pythonType(scorer)}.`);
  for (const object of objectsIn(scorer)) {
    if ((object['call_source'] ?? null) !== null) {
      throw invalid(
        'Custom scorer registration (using @scorer decorator) is disabled by default outside of Databricks tracking ' +
          'environments due to security concerns. Custom scorers require arbitrary code execution during deserialization.',
      );
    }
    const { third_party_scorer_data: thirdParty } = object;
    if (isJsonObject(thirdParty)) checkDestinations(thirdParty['kwargs'] ?? null);
  }
  return scorer;
};

const parsed = (text: string): Json => {
  try {
    return parsePythonJson(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid('serialized_scorer must be valid JSON');
    throw error;
  }
};

/** All objects of a value, at any depth. */
function* objectsIn(value: Json, depth = 0): Generator<JsonObject> {
  refuseTooDeep(depth);
  if (isJsonObject(value)) yield value;
  if (typeof value === 'object' && value !== null)
    for (const item of Object.values(value)) yield* objectsIn(item as Json, depth + 1);
}

const checkDestinations = (kwargs: Json): void => {
  if (kwargs !== null && !isJsonObject(kwargs)) {
    throw invalid(`third_party_scorer_data.kwargs must be a JSON object, got ${pythonType(kwargs)}.`);
  }
  const found = new Set(destinationsIn(kwargs));
  if (found.size === 0) return;
  const names = [...found].sort().map((name) => `'${name}'`);
  throw invalid(
    `third_party_scorer_data.kwargs must not contain ${names.join(', ')}: these options choose where the scorer's LLM ` +
      'client sends requests. Configure the judge endpoint on the server instead, for example through a gateway endpoint ' +
      "('gateway:/<name>') or the provider's environment variables.",
  );
};

/** A list of two items is a pair of key and value too: libraries take options in both forms. */
const destinationsIn = (value: Json): readonly string[] => {
  if (Array.isArray(value)) {
    return (value as readonly Json[]).flatMap((item) => [
      ...(Array.isArray(item) && item.length === 2 ? named([item[0] as Json]) : []),
      ...destinationsIn(item),
    ]);
  }
  if (!isJsonObject(value)) return [];
  return [...named(Object.keys(value)), ...Object.values(value).flatMap(destinationsIn)];
};

const named = (names: readonly Json[]): readonly string[] => DESTINATION_KEYS.filter((key) => names.includes(key));

/** @throws MlflowError for a model that no scorer can ask; 404 for one behind MLflow's gateway, which has none here. */
export const checkScorerModel = (scorer: JsonObject): void => {
  const model = modelOf(scorer);
  if (model === null) return;
  if (typeof model !== 'string') throw invalid(`Scorer model must be a string, got ${pythonType(model)}.`);
  if (model.trim() === '') throw invalid('Scorer model cannot be empty or contain only whitespace.');
  const [, endpoint] = /^gateway:\/(.+)$/s.exec(model) ?? [];
  if (endpoint !== undefined) throw missing(`GatewayEndpoint not found (name='${endpoint}')`);
};

/** Each kind of scorer keeps the model that it asks in data of its own. */
const modelOf = (scorer: JsonObject): Json => {
  for (const kind of [
    'instructions_judge_pydantic_data',
    'builtin_scorer_pydantic_data',
    'memory_augmented_judge_data',
    'third_party_scorer_data',
  ]) {
    const data = scorer[kind];
    if (!isJsonObject(data) || Object.keys(data).length === 0) continue;
    if (kind !== 'memory_augmented_judge_data') return data['model'] ?? null;
    const { base_judge: judge } = data;
    return isJsonObject(judge) ? modelOf(judge) : null;
  }
  return null;
};
