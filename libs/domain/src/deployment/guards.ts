import { jensenShannonDistance, obrienFlemingBoundary, twoProportionZ } from '@kontor/statistics';
import type { z } from 'zod';
import type { guardResult, Strategy } from './events.js';
import { latencyQuantileMs, type RevisionMeasurement } from './measurement.js';

// The rules of the default canary policy. Every comparison is with stable in the same time, so that the canary is not
// blamed for what stable suffers as well.

export type GuardResult = z.output<typeof guardResult>;

/** Below half a percentage point a significant difference in errors is no reason to stop. */
const ERROR_EFFECT = 0.005;

/** Above this share of errors no statistics are needed, from 20 requests on. */
const ERROR_HARD_CAP = 0.05;
const HARD_CAP_MIN_REQUESTS = 20;

/** A p99 of fewer requests is one of their three slowest: no estimate. */
const LATENCY_MIN_REQUESTS = 300;
const LATENCY_FACTOR = 1.25;
const LATENCY_SLACK_MS = 20;

/** Base 2. A shuffled or re-scaled score is above it, a retrained model on the same data well below. */
const DISTANCE_LIMIT = 0.2;

/**
 * Two samples of one distribution over k bins are √((k - 1) / (8 ln 2) · (1/n + 1/m)) apart by chance: 0.12 for 20 bins
 * and 500 rows each, 0.19 for 200, which is too near to the limit.
 */
const DISTANCE_MIN_ROWS = 500;

/** A loss of accuracy below two percentage points is left to the monitors. */
const ACCURACY_EFFECT = 0.02;
const LABELS_MIN_ROWS = 50;

/** How long a step may wait for its data before it is held: Argo's progress deadline, or ten times the minimum. */
const STEP_DEADLINE_MS = 600_000;
const STEP_DEADLINE_FACTOR = 10;

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
const number = (value: number): string => value.toFixed(2);

interface Arms {
  readonly canary: RevisionMeasurement;
  readonly stable: RevisionMeasurement | null;
  /** The z value that counts as significant now. */
  readonly boundary: number;
}

const rowsOf = ({ canary, stable }: Arms) => ({ canaryRows: canary.rows, stableRows: stable?.rows ?? 0 });

/** Guard 1. A stable that is above the cap itself is compared with, never blamed on the new revision. */
const errorRate = (arms: Arms): GuardResult => {
  const { canary, stable, boundary } = arms;
  const rate = canary.requests === 0 ? null : canary.errors / canary.requests;
  const stableRate = stable === null || stable.requests === 0 ? null : stable.errors / stable.requests;
  const result = (verdict: GuardResult['verdict'], limit: number, sentence: string): GuardResult => ({
    guard: 'errorRate',
    verdict,
    canary: rate,
    stable: stableRate,
    limit,
    ...rowsOf(arms),
    sentence,
  });
  if (rate === null) return result('inconclusive', ERROR_HARD_CAP, 'No request has reached the new revision.');
  const own = `Errors ${percent(rate)} (${canary.errors} of ${canary.requests} requests)`;
  const overCap = rate > ERROR_HARD_CAP && canary.requests >= HARD_CAP_MIN_REQUESTS;
  if (stable === null || stableRate === null) {
    return overCap
      ? result('fail', ERROR_HARD_CAP, `${own}, above the cap of ${percent(ERROR_HARD_CAP)}.`)
      : result('pass', ERROR_HARD_CAP, `${own}; nothing to compare with, the cap is ${percent(ERROR_HARD_CAP)}.`);
  }
  const z = twoProportionZ({ hits: canary.errors, n: canary.requests }, { hits: stable.errors, n: stable.requests });
  const compared = `${own} against ${percent(stableRate)} (${stable.errors} of ${stable.requests}): z ${number(z)}, boundary ${number(boundary)}`;
  if (z >= boundary && rate - stableRate >= ERROR_EFFECT) {
    return result('fail', stableRate + ERROR_EFFECT, `${compared}; significantly more errors than stable.`);
  }
  if (!overCap) return result('pass', stableRate + ERROR_EFFECT, `${compared}; no more errors than stable.`);
  return stableRate > ERROR_HARD_CAP && stable.requests >= HARD_CAP_MIN_REQUESTS
    ? result('inconclusive', ERROR_HARD_CAP, `${compared}; stable is above ${percent(ERROR_HARD_CAP)} as well.`)
    : result('fail', ERROR_HARD_CAP, `${compared}; above the cap of ${percent(ERROR_HARD_CAP)}.`);
};

/** Guard 2. */
const latency = (arms: Arms): GuardResult => {
  const { canary, stable } = arms;
  const measured = (counts: readonly number[]) => counts.reduce((sum, n) => sum + n, 0);
  const n = measured(canary.latencyCounts);
  const stableN = stable === null ? 0 : measured(stable.latencyCounts);
  const p99 = latencyQuantileMs(canary.latencyCounts, 0.99);
  const stableP99 = stable === null ? null : latencyQuantileMs(stable.latencyCounts, 0.99);
  const values = { guard: 'latency' as const, canary: p99, stable: stableP99, ...rowsOf(arms) };
  if (p99 === null || stableP99 === null || Math.min(n, stableN) < LATENCY_MIN_REQUESTS) {
    const sentence = `p99 needs ${LATENCY_MIN_REQUESTS} answered requests on each side; there are ${n} and ${stableN}.`;
    return { ...values, verdict: 'inconclusive', limit: null, sentence };
  }
  const limit = Math.max(LATENCY_FACTOR * stableP99, stableP99 + LATENCY_SLACK_MS);
  const sentence = `p99 ${number(p99)} ms (${n} requests) against ${number(stableP99)} ms (${stableN}), limit ${number(limit)} ms.`;
  return { ...values, verdict: p99 <= limit ? 'pass' : 'fail', limit, sentence };
};

/** Guard 3. A non-finite output fails; a changed distribution is shown to a person, since it may be intended. */
const outputSanity = (arms: Arms, distanceAccepted: boolean): GuardResult => {
  const { canary, stable } = arms;
  const rows = rowsOf(arms);
  const result = (verdict: GuardResult['verdict'], value: number | null, limit: number, sentence: string) =>
    ({ guard: 'outputSanity', verdict, canary: value, stable: null, limit, ...rows, sentence }) satisfies GuardResult;
  if (canary.nonFiniteOutputs > 0) {
    const sentence = `${canary.nonFiniteOutputs} non-finite outputs in ${canary.rows} rows; none is allowed.`;
    return result('fail', canary.nonFiniteOutputs, 0, sentence);
  }
  const scored = (counts: readonly number[]) => counts.reduce((sum, n) => sum + n, 0);
  const n = scored(canary.scoreCounts);
  const stableN = stable === null ? 0 : scored(stable.scoreCounts);
  if (canary.rows === 0) return result('inconclusive', null, DISTANCE_LIMIT, 'No row has reached the new revision.');
  const distance = stable === null ? null : jensenShannonDistance(stable.scoreCounts, canary.scoreCounts);
  if (distance === null || Math.min(n, stableN) < DISTANCE_MIN_ROWS) {
    const sentence = `All outputs finite; comparing scores needs ${DISTANCE_MIN_ROWS} rows on each side, there are ${n} and ${stableN}.`;
    return result('pass', null, DISTANCE_LIMIT, sentence);
  }
  const measured = `Jensen-Shannon distance of the scores ${distance.toFixed(3)} (${n} and ${stableN} rows), limit ${DISTANCE_LIMIT}`;
  if (distance <= DISTANCE_LIMIT) return result('pass', distance, DISTANCE_LIMIT, `${measured}.`);
  return distanceAccepted
    ? result('pass', distance, DISTANCE_LIMIT, `${measured}; accepted by a person.`)
    : result('inconclusive', distance, DISTANCE_LIMIT, `${measured}; a changed distribution may be intended.`);
};

/** Guard 4, where labels mature within the step: accuracy at a score of 0.5. */
const labels = (arms: Arms): GuardResult | undefined => {
  const { canary, stable, boundary } = arms;
  if (stable === null || canary.labels === 0) return undefined;
  const accuracy = canary.correct / canary.labels;
  const stableAccuracy = stable.labels === 0 ? null : stable.correct / stable.labels;
  const values = { guard: 'labels' as const, canary: accuracy, stable: stableAccuracy };
  const counts = { canaryRows: canary.labels, stableRows: stable.labels };
  if (stableAccuracy === null || Math.min(canary.labels, stable.labels) < LABELS_MIN_ROWS) {
    const sentence = `Accuracy needs ${LABELS_MIN_ROWS} labels on each side; there are ${canary.labels} and ${stable.labels}.`;
    return { ...values, ...counts, verdict: 'inconclusive', limit: null, sentence };
  }
  const z = twoProportionZ(
    { hits: canary.labels - canary.correct, n: canary.labels },
    { hits: stable.labels - stable.correct, n: stable.labels },
  );
  const worse = z >= boundary && stableAccuracy - accuracy >= ACCURACY_EFFECT;
  const sentence = `Accuracy ${percent(accuracy)} (${canary.labels} labels) against ${percent(stableAccuracy)} (${stable.labels}): z ${number(z)}, boundary ${number(boundary)}; ${worse ? 'significantly worse than' : 'not significantly worse than'} stable.`;
  return { ...values, ...counts, verdict: worse ? 'fail' : 'pass', limit: stableAccuracy - ACCURACY_EFFECT, sentence };
};

export interface StepJudgement {
  /** `inconclusive` asks for a person; `wait` means that the step has neither its data nor reached its deadline. */
  readonly verdict: 'pass' | 'fail' | 'inconclusive' | 'wait';
  readonly guards: readonly GuardResult[];
  /** In one sentence why; empty for a pass. */
  readonly reason: string;
}

/**
 * The verdict on one step of a rollout. Steps are the looks of a group-sequential test; a look before the step's data
 * are complete, or while it is held, is an extra one and uses the strictest boundary, so that it costs almost no alpha.
 *
 * `minRows` says how much is enough: a guard that could not be computed from that much is recorded as inconclusive and
 * does not stop the step. A step with `minRows: 0` passes without measurement.
 */
export const judgeStep = (input: {
  readonly strategy: Strategy;
  readonly step: number;
  readonly elapsedMs: number;
  readonly canary: RevisionMeasurement;
  readonly stable: RevisionMeasurement | null;
  readonly distanceAccepted: boolean;
  readonly held: boolean;
}): StepJudgement => {
  const { strategy, step, elapsedMs, canary, stable, distanceAccepted, held } = input;
  const { minRows, minDurationMs } = strategy.steps[step] ?? { minRows: 0, minDurationMs: 0 };
  const complete = canary.rows >= minRows && elapsedMs >= minDurationMs;
  const boundary = obrienFlemingBoundary(complete && !held ? step + 1 : 1, strategy.steps.length);
  const arms = { canary, stable, boundary };
  const error = errorRate(arms);
  const sanity = outputSanity(arms, distanceAccepted);
  const label = labels(arms);
  const guards = [error, latency(arms), sanity, ...(label ? [label] : [])];

  const failed = guards.filter(({ verdict }) => verdict === 'fail');
  if (failed.length > 0) return { verdict: 'fail', guards, reason: failed.map(({ sentence }) => sentence).join(' ') };
  if (complete && sanity.verdict === 'inconclusive' && sanity.canary !== null) {
    return { verdict: 'inconclusive', guards, reason: sanity.sentence };
  }
  if (complete && (error.verdict === 'pass' || minRows === 0)) return { verdict: 'pass', guards, reason: '' };
  if (elapsedMs < stepDeadlineMs(minDurationMs))
    return { verdict: 'wait', guards, reason: 'The step waits for its data.' };
  const reason = `Insufficient data: ${canary.rows} of ${minRows} rows after ${Math.round(elapsedMs / 1000)} s. ${error.sentence}`;
  return { verdict: 'inconclusive', guards, reason };
};

const stepDeadlineMs = (minDurationMs: number): number =>
  Math.max(STEP_DEADLINE_MS, STEP_DEADLINE_FACTOR * minDurationMs);
