import type { ArtifactReader } from '@kontor/artifact-store';
import type { RouteEntry } from '@kontor/domain/deployment';
import { goldenDifference } from '@kontor/domain/golden';
import {
  type BaselineRequest,
  baselineRequest,
  type Dataset,
  type EvaluationRequest,
  evaluationRequest,
  type FeatureBins,
} from '@kontor/domain/monitoring';
import { binsOf, type FeatureValue, numericEdges } from '@kontor/statistics';
import type pg from 'pg';
import { z } from 'zod';
import { parseDataset, readInput, UnusableInput } from './dataset.js';
import { fairnessOf, groupsOf, type LabelledRow, performanceOf } from './metrics.js';
import { binsHashOf, type Columns, profileOf, SCORE } from './profiles.js';
import { ServingClient, tensor } from './serving.client.js';
import type { Dispatch } from './windows.js';

export interface EvaluationOptions {
  readonly pool: pg.Pool;
  readonly dispatch: Dispatch;
  readonly artifacts: ArtifactReader;
  readonly servingUrl: string;
  /** Opens serving's door for a workspace. */
  readonly token: (workspace: string) => Promise<string>;
  /** The route of an endpoint, or undefined if there is none. */
  readonly routeOf: (workspace: string, endpoint: string) => Promise<RouteEntry | undefined>;
  readonly signal: AbortSignal;
}

interface Work extends EvaluationOptions {
  readonly workspace: string;
  readonly serving: ServingClient;
}

const golden = z.object({ inputs: z.array(tensor), outputs: z.array(tensor) });

const loadDataset = async (
  { artifacts }: Work,
  dataset: Dataset,
  needed: readonly string[],
): Promise<{ columns: Columns; rows: number }> => {
  const parsed = parseDataset(await readInput(artifacts, dataset.digest));
  if (parsed.rows !== dataset.rows) {
    throw new UnusableInput(`the data set ${dataset.name} has ${parsed.rows} rows; the request says ${dataset.rows}`);
  }
  const absent = needed.filter((name) => !Object.hasOwn(parsed.columns, name));
  if (absent.length === 0) return parsed;
  const present = Object.keys(parsed.columns).join(', ');
  throw new UnusableInput(`the data set ${dataset.name} lacks ${absent.join(', ')}; it has ${present}`);
};

const labelsOf = (columns: Columns, name: string): number[] =>
  (columns[name] ?? []).map((value, row) => {
    const text = String(value).toLowerCase();
    if (text === '1' || text === 'true') return 1;
    if (text === '0' || text === 'false') return 0;
    throw new UnusableInput(`${name} is ${text} in row ${row + 1}; allowed are 0, 1, true and false`);
  });

const labelledRows = (
  columns: Columns,
  labelColumn: string,
  scores: readonly number[],
  names: readonly string[],
): LabelledRow[] =>
  labelsOf(columns, labelColumn).map((label, row) => ({
    label,
    score: scores[row] ?? 0,
    attributes: Object.fromEntries(
      names.flatMap((name) => {
        const value = columns[name]?.[row] ?? null;
        return value === null ? [] : [[name, String(value)]];
      }),
    ),
  }));

/**
 * What the route says of the asked version. Waiting is done by the serving client, so the route is read after it.
 *
 * Serving was asked by number, and what it answered counts as evidence about a digest: so the number must stand for these
 * bytes, and for no others.
 */
const servedAt = async ({ routeOf, workspace }: Work, endpoint: string, version: EvaluationRequest['version']) => {
  const route = await routeOf(workspace, endpoint);
  const [revision, ...others] = route?.revisions.filter((held) => held.version.version === version.version) ?? [];
  const isAsked =
    revision?.version.manifestDigest === version.manifestDigest && revision.version.modelName === version.modelName;
  if (route && isAsked && others.length === 0)
    return { environment: route.environment, goldenDigest: revision.servable.goldenDigest };
  throw new UnusableInput(
    `version ${version.version} of the endpoint ${endpoint} is not ${version.modelName} ${version.manifestDigest}`,
  );
};

const goldenOf = (digest: string, text: string): z.output<typeof golden> => {
  try {
    return golden.parse(JSON.parse(text));
  } catch (cause) {
    throw new UnusableInput(`the golden rows ${digest} are not {inputs, outputs} of tensors`, { cause });
  }
};

const compareGolden = async (
  { artifacts, serving }: Work,
  served: Pick<EvaluationRequest, 'endpoint' | 'version'>,
  digest: string | null,
): Promise<{ rows: number; maxDifference: number | null }> => {
  if (digest === null) return { rows: 0, maxDifference: null };
  const expected = goldenOf(digest, (await readInput(artifacts, digest)).toString());
  const outputs = await serving.infer(served, expected.inputs);
  let maxDifference = 0;
  for (const { name, data } of expected.outputs) {
    const actual = outputs.find((output) => output.name === name)?.data ?? [];
    if (actual.length !== data.length) {
      throw new UnusableInput(`golden output ${name} has ${data.length} values; the endpoint gave ${actual.length}`);
    }
    data.forEach((value, i) => {
      const difference = goldenDifference(Number(value), Number(actual[i]));
      maxDifference = Math.max(maxDifference, Number.isNaN(difference) ? Infinity : difference);
    });
  }
  if (maxDifference === Infinity) throw new UnusableInput('a golden output is not a finite number');
  return { rows: expected.inputs[0]?.shape[0] ?? 0, maxDifference };
};

const evaluate = async (work: Work, request: EvaluationRequest): Promise<unknown> => {
  const { evaluationId, endpoint, version, dataset, labelColumn, features, compareWith } = request;
  const { protectedAttributes, slices } = request;
  const attributes = [...new Set([...protectedAttributes, ...slices])];
  const { columns, rows } = await loadDataset(work, dataset, [labelColumn, ...features, ...attributes]);
  const scores = await work.serving.scores(request, columns, features, rows);
  const { environment, goldenDigest } = await servedAt(work, endpoint, version);
  const labelled = labelledRows(columns, labelColumn, scores, attributes);
  const other = compareWith && (await work.serving.scores(compareWith, columns, features, rows));
  if (compareWith) await servedAt(work, compareWith.endpoint, compareWith.version);
  return {
    evaluationId,
    endpoint,
    environment,
    version,
    dataset,
    performance: performanceOf(labelled),
    slices: slices.flatMap((name) =>
      [...groupsOf(labelled, name)].map(([value, members]) => ({
        slice: `${name}=${value}`,
        n: members.length,
        performance: performanceOf(members),
      })),
    ),
    fairness: fairnessOf(labelled, protectedAttributes),
    golden: await compareGolden(work, request, goldenDigest),
    comparedWith:
      compareWith && other
        ? { version: compareWith.version, performance: performanceOf(labelledRows(columns, labelColumn, other, [])) }
        : null,
  };
};

/** Bins of one reference column with what the column counts in them. */
export const referenceBins = (
  feature: string,
  values: readonly FeatureValue[],
  kind: 'auto' | 'categorical' | 'numeric',
) => {
  const finite = values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value));
  const bins =
    kind === 'numeric'
      ? { kind, edges: numericEdges(finite), categories: [], hasOther: false }
      : binsOf(values, kind === 'categorical');
  const ends = bins.kind === 'numeric' && finite.length > 0;
  const least = ends ? finite.reduce((a, b) => Math.min(a, b)) : null;
  const greatest = ends ? finite.reduce((a, b) => Math.max(a, b)) : null;
  const empty: FeatureBins = {
    feature,
    kind: bins.kind,
    edges: [...bins.edges],
    categories: [...bins.categories],
    // Categories beyond the cap make `other`, which the profile below must already know of.
    counts: bins.hasOther ? [1, 0] : [],
    min: least,
    max: greatest,
    cells: [],
  };
  const profile = profileOf({ binsHash: '', features: [empty] }, { [feature]: values }, values.length).features[
    feature
  ];
  return {
    ...empty,
    counts: [...(profile?.counts ?? [])],
    cells: (profile?.cells ?? []).map(([cell, count, sum]) => [cell, count, sum]),
  } as FeatureBins;
};

/**
 * Numbers as serving sees and reports them: in 32 bits. Without it 0.1 in the reference and 0.10000000149 in telemetry
 * would be two categories, and no value would meet its point bin.
 */
const asSent = (values: readonly FeatureValue[]): FeatureValue[] =>
  values.some((value) => typeof value === 'string')
    ? [...values]
    : values.map((value) => (typeof value === 'number' ? Math.fround(value) : value));

const makeBaseline = async (work: Work, request: BaselineRequest): Promise<unknown> => {
  const { baselineId, endpoint, version, dataset, labelColumn, features, categoricalFeatures } = request;
  const needed = labelColumn === null ? features : [labelColumn, ...features];
  const { columns, rows } = await loadDataset(work, dataset, needed);
  const scores = await work.serving.scores(request, columns, features, rows);
  await servedAt(work, endpoint, version);
  const bins = features.map((feature) =>
    referenceBins(
      feature,
      asSent(columns[feature] ?? []),
      categoricalFeatures.includes(feature) ? 'categorical' : 'auto',
    ),
  );
  const score = referenceBins(SCORE, scores, 'numeric');
  return {
    baselineId,
    version,
    dataset,
    features: bins,
    score,
    binsHash: binsHashOf([...bins, score]),
    performance: labelColumn === null ? null : performanceOf(labelledRows(columns, labelColumn, scores, [])),
  };
};

/** As long as a reason may be. */
const reasonOf = ({ message }: UnusableInput): string => message.slice(0, 5000);

const perform = async (work: Work, kind: string, request: unknown): Promise<{ type: string; data: unknown }> => {
  if (kind === 'EvaluationRequested') {
    const asked = evaluationRequest.parse(request);
    try {
      return { type: 'CompleteEvaluation', data: await evaluate(work, asked) };
    } catch (error) {
      if (!(error instanceof UnusableInput)) throw error;
      return { type: 'FailEvaluation', data: { evaluationId: asked.evaluationId, reason: reasonOf(error) } };
    }
  }
  const asked = baselineRequest.parse(request);
  try {
    return { type: 'PinBaseline', data: await makeBaseline(work, asked) };
  } catch (error) {
    if (!(error instanceof UnusableInput)) throw error;
    return { type: 'FailBaseline', data: { baselineId: asked.baselineId, reason: reasonOf(error) } };
  }
};

/**
 * Does the oldest task that is not done, and answers it with a command. A crash before the answer repeats the task; the
 * aggregate takes one answer only.
 *
 * @returns whether there was one.
 */
export const performNextTask = async (options: EvaluationOptions): Promise<boolean> => {
  const { rows } = await options.pool.query<{ pos: string; workspace: string; kind: string; request: unknown }>(
    'SELECT pos, workspace, kind, request FROM monitoring.task WHERE NOT done ORDER BY pos LIMIT 1',
  );
  const [task] = rows;
  if (!task) return false;
  const { workspace } = task;
  const work = {
    ...options,
    workspace,
    serving: new ServingClient(options.servingUrl, () => options.token(workspace), options.signal),
  };
  const { type, data } = await perform(work, task.kind, task.request);
  const answer = await options.dispatch(workspace, type, data);
  const ended = ['EVALUATION_NOT_REQUESTED', 'BASELINE_NOT_REQUESTED'];
  if (answer.outcome === 'rejected' && !ended.includes(answer.code)) throw new Error(`${type}: ${answer.code}`);
  await options.pool.query('DELETE FROM monitoring.task WHERE pos = $1', [task.pos]);
  return true;
};
