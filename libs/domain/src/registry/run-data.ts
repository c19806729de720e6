import { type CommandOf, type Decision, reject } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import { inEvents } from './event-size.js';
import type { MetricPoint, RegistryEvent } from './events.js';
import { hasPoint, type PointSet } from './point-set.js';
import type { RegistryRejection } from './rejections.js';
import { previousValueOf, type Tags, tagsOf } from './tags.js';

type Batch = CommandOf<typeof registryCommands, 'LogRunData'>['data'];
type Logged = Extract<RegistryEvent, { type: 'RunDataLogged' }>['data'];

interface Known {
  readonly name: string;
  readonly params: Tags;
  readonly tags: Tags;
  readonly points: PointSet;
}

/** The tag that is the run's name. */
export const RUN_NAME_TAG = 'mlflow.runName';

/** One point of a metric is this much of it, so a repeated one is recognised. The same value of two models is two points. */
export const pointKey = ({ key, timestampMs, step, value, isNaN, loggedModelId }: MetricPoint): string =>
  `${timestampMs} ${step} ${isNaN ? 'NaN' : value} ${loggedModelId ?? ''} ${key}`;

/**
 * What of a batch is new. All or nothing: a changed param refuses the batch before anything is decided.
 *
 * The cost depends on the batch, not on how much was logged before.
 */
export const logRunData = (batch: Batch, run: Known): Decision<RegistryEvent, RegistryRejection> => {
  const { runId } = batch;
  const keys = batch.params.map(({ key }) => key);
  const duplicates = [...new Set(keys.filter((key, i) => keys.indexOf(key) !== i))];
  // The same param twice with the same value is one param; with two values the batch contradicts itself.
  const contradicting = duplicates.filter(
    (key) => new Set(batch.params.filter((param) => param.key === key).map(({ value }) => value)).size > 1,
  );
  if (contradicting.length > 0) return reject('PARAM_DUPLICATED', { runId, keys: contradicting });
  const changed = batch.params
    .filter(({ key, value }) => (run.params[key] ?? value) !== value)
    .map(({ key, value }) => ({ key, oldValue: run.params[key], newValue: value }));
  if (changed.length > 0) return reject('PARAM_CHANGED', { runId, changed });

  const fresh = new Map<string, MetricPoint>();
  for (const point of batch.metrics) {
    const key = pointKey(point);
    if (!hasPoint(run.points, key)) fresh.set(key, point);
  }
  const params = Object.entries(tagsOf(batch.params)).filter(([key]) => run.params[key] === undefined);
  // An empty name changes nothing, as in MLflow.
  const batchTags = tagsOf(batch.tags.filter(({ key, value }) => key !== RUN_NAME_TAG || value !== ''));
  const tags = Object.entries(batchTags).filter(([key, value]) => run.tags[key] !== value);
  const events = loggedEvents(runId, {
    metrics: [...fresh.values()],
    params: params.map(([key, value]) => ({ key, value })),
    tags: tags.map(([key, value]) => ({ key, value, previousValue: previousValueOf(run.tags, key) })),
  });
  const name = batchTags[RUN_NAME_TAG];
  if (name !== undefined && name !== run.name) {
    events.push({ type: 'RunRenamed', data: { runId, name, previousName: run.name } });
  }
  return events;
};

/** The tag in which clients before MLflow 3 keep what models a run has logged: a JSON list. */
const MODELS_TAG = 'mlflow.log-model.history';
/** @source MLflow 3.18.0, mlflow/utils/validation.py: a tag's value, in code points */
const MAX_MODELS_LENGTH = 8000;

/** What the tag is with one more model behind those that it has, as Python's `json.dumps` writes it. */
export const logRunModel = (
  { runId, model }: CommandOf<typeof registryCommands, 'LogRunModel'>['data'],
  run: Known,
): Decision<RegistryEvent, RegistryRejection> => {
  const list = /^\s*\[([^]*)\]\s*$/.exec(run.tags[MODELS_TAG] ?? '[]');
  if (list === null) return reject('MODELS_TAG_UNREADABLE', { runId });
  const [, before = ''] = list;
  const value = `[${before.trim() === '' ? '' : `${before}, `}${model}]`;
  if ([...value].length > MAX_MODELS_LENGTH) return reject('MODELS_TAG_FULL', { runId, maxLength: MAX_MODELS_LENGTH });
  return logRunData({ runId, metrics: [], params: [], tags: [{ key: MODELS_TAG, value }] }, run);
};

interface Item {
  readonly metric?: MetricPoint;
  readonly param?: Logged['params'][number];
  readonly tag?: Logged['tags'][number];
}

/** What was logged in as many events as its size asks for; none for nothing. */
const loggedEvents = (runId: string, { metrics, params, tags }: Omit<Logged, 'runId'>): RegistryEvent[] =>
  inEvents<Item>([
    ...metrics.map((metric) => ({ metric })),
    ...params.map((param) => ({ param })),
    ...tags.map((tag) => ({ tag })),
  ]).map((items) => ({
    type: 'RunDataLogged',
    data: {
      runId,
      metrics: items.flatMap(({ metric }) => metric ?? []),
      params: items.flatMap(({ param }) => param ?? []),
      tags: items.flatMap(({ tag }) => tag ?? []),
    },
  }));
