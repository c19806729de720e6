import { latest, parsePosition, type Position } from '@kontor/event-sourcing';
import { type AppliedPosition, ConsistencyTimeout, DEFAULT_WAIT_MS } from '@kontor/event-store';
import type pg from 'pg';
import { requestError } from './errors.js';

/** The longest wait that a client may ask for. */
const MAX_WAIT_MS = 5_000;

/** A log is known by its origin and epoch: a token of another installation, or from before a restore, is refused. */
export interface LogIdentity {
  readonly origin: string;
  readonly epoch: Position;
}

/** Where the read models stand, and the log beside them. */
export interface Standing {
  /** What all read models have applied: the position of a read. */
  readonly position: Position;
  readonly head: Position;
  /** Age of the oldest event that is not applied yet; 0 when all are. */
  readonly lagMs: number;
}

/** Which log this is, from its head row. A restore that began a new epoch changes it. */
export const readLogIdentity = async (pool: pg.Pool): Promise<LogIdentity> => {
  const { rows } = await pool.query<{ origin: string; epoch: string }>(
    'SELECT origin, epoch FROM es.log_head WHERE log_id = 0',
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the log has not been started: prepare the database first');
  return { origin: row.origin, epoch: BigInt(row.epoch) };
};

/** An opaque token: one log has one order, so one position says it all. */
export const encodeToken = ({ origin, epoch }: LogIdentity, position: Position): string =>
  Buffer.from(JSON.stringify([origin, String(epoch), String(position)])).toString('base64url');

/**
 * The position of a token. Several, separated by commas (an HTTP client joins headers of one name so), ask for the
 * latest of them: a reader of two writers sees both.
 *
 * @throws CONSISTENCY_TOKEN_INVALID for another log's token, an older epoch's, or no token at all.
 */
export const decodeTokens = (log: LogIdentity, tokens: string): Position =>
  tokens
    .split(',')
    .map((token) => decodeToken(log, token.trim()))
    .reduce(latest);

const decodeToken = ({ origin, epoch }: LogIdentity, token: string): Position => {
  const invalid = () =>
    requestError('CONSISTENCY_TOKEN_INVALID', 'Kontor-Consistency: not a token of this log; ask again without it');
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    throw invalid();
  }
  if (!Array.isArray(parts) || parts[0] !== origin || parts[1] !== String(epoch)) throw invalid();
  const position = typeof parts[2] === 'string' ? parsePosition(parts[2]) : undefined;
  if (position === undefined) throw invalid();
  return position;
};

/** Reads `Kontor-Wait-Ms`: how long a reader with a token is ready to wait. */
export const waitMsOf = (header: string | undefined): number => {
  if (header === undefined) return DEFAULT_WAIT_MS;
  const waitMs = Number(header);
  if (!Number.isInteger(waitMs) || waitMs < 0 || waitMs > MAX_WAIT_MS) {
    throw requestError('BAD_USER_INPUT', `Kontor-Wait-Ms: ${header} is not an integer between 0 and ${MAX_WAIT_MS}`);
  }
  return waitMs;
};

/**
 * Waits for a position.
 *
 * @throws CONSISTENCY_TIMEOUT with `reached`, `wanted`, `retryAfterMs`, and the token to come back with; never a stale
 * answer.
 */
export const waitFor = async (
  { applied, identity }: { readonly applied: AppliedPosition; readonly identity: LogIdentity },
  position: Position,
  waitMs: number = DEFAULT_WAIT_MS,
): Promise<Position> => {
  try {
    return await applied.waitUntilProcessed(position, waitMs);
  } catch (error) {
    throw asTimeout(identity, error);
  }
};

/** The error of a wait as a client sees it; any other error as it is. */
export const asTimeout = (identity: LogIdentity, error: unknown): unknown => {
  if (!(error instanceof ConsistencyTimeout)) return error;
  const { message, reached, wanted, retryAfterMs } = error;
  return requestError('CONSISTENCY_TIMEOUT', message, {
    reached: String(reached),
    wanted: String(wanted),
    retryAfterMs,
    token: encodeToken(identity, wanted),
  });
};

/** How far behind the log a position is. */
export const lagOf = async (pool: pg.Pool, position: Position): Promise<{ head: Position; lagMs: number }> => {
  const { rows } = await pool.query<{ head: string; lag: number | null }>({
    name: 'gateway_lag',
    text: `SELECT h.last_pos AS head, (extract(epoch FROM clock_timestamp() - coalesce(e.recorded_at, a.last_at)) * 1000)::float8 AS lag
           FROM es.log_head h LEFT JOIN es.event e ON e.pos = $1::bigint + 1
           LEFT JOIN es.archive a ON $1::bigint + 1 BETWEEN a.first_pos AND a.last_pos WHERE h.log_id = 0`,
    values: [position],
  });
  return { head: BigInt(rows[0]?.head ?? 0), lagMs: Math.max(0, Math.round(rows[0]?.lag ?? 0)) };
};
