const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Waits before the second, third and fourth try; all but the first get up to a second of jitter. @source MLflow 3.18, `mlflow/webhooks/delivery.py` */
const QUICK_MS = [0, 2 * SECOND_MS, 4 * SECOND_MS];
/** Waits before the further tries: a target that is down for a night and a working day misses nothing. */
const SLOW_MS = [5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS];
const WAITS_MS = [...QUICK_MS, ...SLOW_MS];
/** After the message came into the queue. What waited behind others for so long has its four quick tries, and no more. */
const LIFETIME_MS = 24 * HOUR_MS;

/** Answers that another try may change. @source MLflow 3.18, as above */
const PASSING = [429, 500, 502, 503, 504];

/** How a try ended. */
export interface Outcome {
  /** Null if there was no answer. */
  readonly status: number | null;
  /** The header, as it came. */
  readonly retryAfter?: string | undefined;
}

export const isDelivered = ({ status }: Outcome): boolean => status !== null && status >= 200 && status < 300;

/** A number of seconds or a moment. @source RFC 9110, section 10.2.3 */
const retryAfterMs = (header: string, nowMs: number): number => {
  const waitMs = /^\d+$/.test(header) ? Number(header) * SECOND_MS : Date.parse(header) - nowMs;
  return Number.isNaN(waitMs) ? 0 : Math.max(waitMs, 0);
};

/**
 * When a message that was not taken is tried again.
 *
 * @param tries so far, 1 at least
 * @param chance in [0, 1), for the jitter
 * @returns milliseconds since 1970; undefined if it is given up: another try would change nothing, there have been nine, or
 *   the next one would come more than 24 h after the message.
 */
export const nextTryMs = (
  { status, retryAfter }: Outcome,
  { tries, queuedMs, nowMs, chance }: { tries: number; queuedMs: number; nowMs: number; chance: number },
): number | undefined => {
  if (status !== null && !PASSING.includes(status)) return undefined;
  const plannedMs = WAITS_MS[tries - 1];
  if (plannedMs === undefined) return undefined;
  const isQuick = tries <= QUICK_MS.length;
  const jitterMs = isQuick && tries > 1 ? chance * SECOND_MS : 0;
  // The target is not asked before it wants to be, and not before its turn either.
  const waitMs = Math.max(plannedMs + jitterMs, retryAfter === undefined ? 0 : retryAfterMs(retryAfter, nowMs));
  const isInTime = nowMs + waitMs <= queuedMs + LIFETIME_MS;
  return isInTime || (isQuick && waitMs <= plannedMs + jitterMs) ? nowMs + waitMs : undefined;
};
