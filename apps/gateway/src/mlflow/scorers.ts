import { experimentEntity, scorerEntity, scorerVersionEntity } from '../registry/registry.entities.js';
import type { ScorerRow, ScorerVersionRow } from '../registry/scorers.projection.js';
import type { MlflowCall } from './call.js';
import { inMlflowsWords } from './outcomes.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid } from './errors.js';
import { activeExperiment, checkedExperimentId } from './experiments.js';
import { parseFilter } from './filter.js';
import { double, int64, repeated, required, string } from './message.js';
import { pythonFloat } from './json.js';
import { atMost, hexIdOf, safeInteger, toMs } from './names.js';
import { toMlflowError } from './rejections.js';
import { rowsOf } from './rows-of.js';
import { checkScorerModel, checkSerializedScorer } from './serialized-scorer.js';
import { TRACE_FILTER } from './trace-filter.js';

interface Named {
  readonly experiment_id: string;
  readonly name: string;
}

const unknownScorer = ({ experiment_id, name }: Named) =>
  toMlflowError('SCORER_UNKNOWN', '', { experimentId: experiment_id, name });

/** @throws MlflowError for one that does not exist, and for its experiment. */
const scorerByName = async (call: MlflowCall, named: Named): Promise<ScorerRow> => {
  const { experimentId } = await activeExperiment(call, named.experiment_id);
  const row = await (await call.rows()).find(scorerEntity, { experimentId, name: named.name });
  if (row) return row;
  throw unknownScorer(named);
};

/** Versions that the rows of scorers name. */
const versionsOf = async (
  call: MlflowCall,
  wanted: readonly { readonly scorerId: string; readonly version: number }[],
): Promise<readonly ScorerVersionRow[]> => {
  const rows = await call.rows();
  const found = await Promise.all(
    wanted.map(({ scorerId, version }) => rows.byId(scorerVersionEntity, scorerId, version)),
  );
  return found.flatMap((row) => row ?? []);
};

const newestOf = ({ scorerId, versions }: ScorerRow) => ({ scorerId, version: versions.at(-1) ?? 0 });

/** In this message MLflow sends the experiment as a number. */
const versionJson = ({ experimentId, name, version, serializedScorer, createdAt, scorerId }: ScorerVersionRow) => ({
  experiment_id: BigInt(experimentId),
  scorer_name: name,
  scorer_version: version,
  serialized_scorer: serializedScorer,
  creation_time: toMs(createdAt),
  scorer_id: scorerId,
});

const configJson = ({ scorerId, experimentId, onlineScoring }: ScorerRow): readonly object[] => {
  if (onlineScoring === null) return [];
  const { onlineScoringConfigId, sampleRate, filterString } = onlineScoring;
  return [
    {
      online_scoring_config_id: onlineScoringConfigId,
      scorer_id: scorerId,
      sample_rate: sampleRate,
      experiment_id: experimentId,
      ...(filterString !== null && { filter_string: filterString }),
    },
  ];
};

/** The scorers of one experiment, of some, or of all that are not deleted. */
const listedScorers = async (
  call: MlflowCall,
  one: string | undefined,
  some: readonly string[],
): Promise<readonly ScorerRow[]> => {
  if (one && some.length > 0) {
    throw invalid(
      "Cannot specify both 'experiment_id' and 'experiment_ids'. Use 'experiment_ids' to scope the query to multiple " +
        "experiments, or 'experiment_id' to scope it to a single experiment.",
    );
  }
  if (one) {
    const { experimentId } = await activeExperiment(call, one);
    return rowsOf(await call.rows(), scorerEntity, { experimentId }, 'name');
  }
  const asked = new Set(some.map(checkedExperimentId));
  const rows = await call.rows();
  const experiments = await rowsOf(rows, experimentEntity, { deleted: false }, 'createdAt');
  const active = new Set(experiments.map(({ experimentId }) => experimentId));
  const scorers = await rowsOf(rows, scorerEntity, {}, 'name');
  return scorers.filter(
    ({ experimentId }) => active.has(experimentId) && (asked.size === 0 || asked.has(experimentId)),
  );
};

/** By number of the experiment, then by the letters of the name. */
const inOrder = (a: ScorerRow, b: ScorerRow): number =>
  Number(BigInt(a.experimentId) - BigInt(b.experimentId)) || (a.name < b.name ? -1 : 1);

/** A number as Python shows a float. */
const shownFloat = (value: number): string =>
  ({ NaN: 'nan', Infinity: 'inf', '-Infinity': '-inf' })[String(value)] ?? pythonFloat(value);

const named = { experiment_id: required(string), name: required(string) } as const;

/**
 * Scorers judge answers in MLflow's client; here their versions are kept, and none is run.
 *
 * @source MLflow 3.17.2, mlflow/server/handlers.py and mlflow/store/tracking/sqlalchemy_store.py.
 */
export const scorerEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/scorers/register',
    version: 3,
    creates: true,
    fields: { ...named, serialized_scorer: required(string) },
    handle: async ({ experiment_id, name, serialized_scorer: serializedScorer }, call) => {
      const scorer = checkSerializedScorer(atMost(65_535, 'serialized_scorer', serializedScorer));
      if (name.trim() === '') throw invalid('Scorer name cannot be empty or contain only whitespace.');
      const { experimentId } = await activeExperiment(call, experiment_id);
      checkScorerModel(scorer);
      const registered = call.begin(scorerVersionEntity, 'RegisterScorer', {
        experimentId,
        name: atMost(256, 'name', name),
        serializedScorer: serializedScorer,
      });
      const { version, scorerId, createdAt } = await inMlflowsWords(registered);
      return {
        ...{ version, scorer_id: scorerId, experiment_id: experimentId, name },
        ...{ serialized_scorer: serializedScorer, creation_time: toMs(createdAt) },
      };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/scorers/list',
    version: 3,
    fields: { experiment_id: string, experiment_ids: repeated(string) },
    handle: async ({ experiment_id, experiment_ids }, call) => {
      const scorers = [...(await listedScorers(call, experiment_id, experiment_ids))].sort(inOrder);
      const newest = await versionsOf(call, scorers.map(newestOf));
      return { ...(newest.length > 0 && { scorers: newest.map(versionJson) }) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/scorers/versions',
    version: 3,
    fields: named,
    handle: async (request, call) => {
      const { scorerId, versions } = await scorerByName(call, request);
      const rows = await versionsOf(
        call,
        versions.map((version) => ({ scorerId, version })),
      );
      return { scorers: rows.map(versionJson) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/scorers/get',
    version: 3,
    fields: { ...named, version: int64 },
    handle: async ({ version, ...request }, call) => {
      const scorer = await scorerByName(call, request);
      const wanted = version === undefined ? newestOf(scorer) : { ...newestOf(scorer), version: Number(version) };
      const [row] = await versionsOf(call, [wanted]);
      if (row) return { scorer: versionJson(row) };
      const details = { experimentId: request.experiment_id, name: request.name, version };
      throw toMlflowError('SCORER_VERSION_UNKNOWN', '', details);
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/scorers/delete',
    version: 3,
    fields: { ...named, version: int64 },
    handle: async ({ version, ...request }, call) => {
      const { experimentId, name, versions } = await scorerByName(call, request);
      const number = version === undefined ? null : safeInteger('version', version);
      if (number !== null && !versions.includes(number)) {
        const details = { experimentId: request.experiment_id, name, version: number };
        throw toMlflowError('SCORER_VERSION_UNKNOWN', '', details);
      }
      await call.send('DeleteScorerVersions', { experimentId, name, version: number });
      return {};
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/mlflow/scorers/online-config',
    version: 3,
    fields: { ...named, sample_rate: required(double), filter_string: string },
    handle: async ({ sample_rate: sampleRate, filter_string: filterString = null, ...request }, call) => {
      if (!(sampleRate >= 0 && sampleRate <= 1))
        throw invalid(`sample_rate must be between 0.0 and 1.0, got ${shownFloat(sampleRate)}`);
      // Only whether it is one that a search of traces takes.
      parseFilter(TRACE_FILTER, filterString ?? '');
      const { experimentId, name } = await scorerByName(call, request);
      // No scorer here asks MLflow's gateway: none such is registered.
      if (sampleRate > 0) {
        throw invalid(
          `Scorer '${name}' does not use a gateway model. Automatic evaluation is only supported for scorers that use ` +
            'gateway models.',
        );
      }
      await call.send('ConfigureOnlineScoring', {
        ...{ experimentId, name, sampleRate, onlineScoringConfigId: hexIdOf(call.commandId) },
        filterString: filterString === null ? null : atMost(65_535, 'filter_string', filterString),
      });
      const [config] = configJson(await scorerByName(call, request));
      if (config === undefined) throw unknownScorer(request);
      return { config };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/scorers/online-configs',
    version: 3,
    fields: { scorer_ids: required(repeated(string)) },
    handle: async ({ scorer_ids }, call) => {
      const rows = await call.rows();
      const found = await Promise.all([...new Set(scorer_ids)].map((scorerId) => rows.byId(scorerEntity, scorerId)));
      return { configs: found.flatMap((row) => (row ? configJson(row) : [])) };
    },
  }),
];
