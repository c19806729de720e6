import type { CommandRejected } from './outcomes.js';
import { invalid } from './errors.js';
import { pythonFloat } from './json.js';
import { double, int64, type Message, required, string } from './message.js';
import { checkedKey, checkedLoggedModelId, cut, safeInteger } from './names.js';

/** One point of a metric on the wire. */
export const metricFields = {
  key: required(string),
  value: required(double),
  timestamp: required(int64),
  step: int64,
  model_id: string,
  dataset_name: string,
  dataset_digest: string,
} as const;

/**
 * A point as the registry stores it: infinities become the largest numbers, a NaN becomes 0 with a flag.
 *
 * @param parent path of the point in the request: empty, or `metrics[0].`.
 */
export const toPoint = (parent: string, point: Message<typeof metricFields>) => {
  const { key, value, timestamp } = point;
  if (!point.dataset_name !== !point.dataset_digest)
    throw invalid('Both dataset_name and dataset_digest must be provided if one is provided');
  if (timestamp < 0n) {
    throw invalid(
      `Invalid value ${timestamp} for parameter '${parent}timestamp' supplied: metric '${key}' (value=${pythonFloat(value)}). Timestamp must be a nonnegative long (64-bit integer) `,
    );
  }
  return {
    key: checkedKey(`${parent}name`, key, 'Metric name'),
    value: Number.isNaN(value) ? 0 : Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value)),
    isNaN: Number.isNaN(value),
    timestampMs: safeInteger(`${parent}timestamp`, timestamp),
    step: safeInteger(`${parent}step`, point.step ?? 0n),
    loggedModelId: point.model_id ? checkedLoggedModelId(`${parent}model_id`, point.model_id) : null,
    datasetName: point.dataset_name || null,
    datasetDigest: point.dataset_digest || null,
  };
};

export const toParam = (field: string, { key, value = '' }: { key: string; value: string | undefined }) => ({
  key: checkedKey(field, key, 'Param key'),
  value: cut(6000, value),
});
export const toTag = (field: string, { key, value = '' }: { key: string; value: string | undefined }) => ({
  key: checkedKey(field, key),
  value: cut(8000, value),
});

interface ChangedParam {
  readonly key: string;
  readonly oldValue: string;
  readonly newValue: string;
}

const duplicated = (keys: readonly string[]) =>
  invalid(
    `Duplicate parameter keys have been submitted: [${keys.map((key) => `'${key}'`).join(', ')}]. ` +
      'Please ensure the request contains only one param value per param key.',
  );

/** A batch names each param once, also when the values are equal. */
export const refuseRepeatedParams = (params: readonly { readonly key: string }[]): void => {
  const keys = params.map(({ key }) => key);
  const repeatedKeys = [...new Set(keys.filter((key, index) => keys.indexOf(key) !== index))];
  if (repeatedKeys.length > 0) throw duplicated(repeatedKeys);
};

/** The two texts about params, which differ between a single param and a batch. */
export const paramError = ({ code, details }: CommandRejected, runId: string, isBatch: boolean) => {
  if (code === 'PARAM_DUPLICATED') {
    return duplicated((details['keys'] as readonly string[] | undefined) ?? []);
  }
  if (code !== 'PARAM_CHANGED') return undefined;
  const changed = (details['changed'] as readonly ChangedParam[] | undefined) ?? [];
  const [first] = changed;
  if (!isBatch && first) {
    return invalid(
      `Changing param values is not allowed. Param with key='${first.key}' was already logged with value='${first.oldValue}' ` +
        `for run ID='${runId}'. Attempted logging new value '${first.newValue}'.`,
    );
  }
  const list = changed.map(
    ({ key, oldValue, newValue }) => `{'key': '${key}', 'old_value': '${oldValue}', 'new_value': '${newValue}'}`,
  );
  return invalid(
    `Changing param values is not allowed. Params were already logged='[${list.join(', ')}]' for run ID='${runId}'.`,
  );
};

/** @throws MlflowError for more items than one batch may hold. */
export const refuseLargeBatch = (counts: Readonly<Record<'metrics' | 'params' | 'tags', number>>): void => {
  const refuse = (limit: string, count: string) =>
    invalid(
      `A batch logging request can contain at most ${limit}. Got ${count}. Please split up ${limit.replace(/^\d+ /, '')} across multiple requests and try again.`,
    );
  const { metrics, params, tags } = counts;
  if (metrics > 1000) throw refuse('1000 metrics', `${metrics} metrics`);
  if (params > 100) throw refuse('100 params', `${params} params`);
  if (tags > 100) throw refuse('100 tags', `${tags} tags`);
  const total = metrics + params + tags;
  if (total > 1000) throw refuse('1000 metrics, params, and tags', `${total} metrics, params, and tags`);
};
