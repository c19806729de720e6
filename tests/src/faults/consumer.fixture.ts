// A process that consumes: each event by a row of its own, and a read model, each in one transaction with its checkpoint. It can
// be told to end by kill -9 at its n-th statement. It says a line per applied batch, and ends when both are at `until`.
import { writeSync } from 'node:fs';
import { createEventStore, createPool, runProjections, tailLog } from '@kontor/event-store';
import { connectNats, eventFeed } from '@kontor/messaging';
import pg from 'pg';
import { consume, readModel, SCHEMA } from './consume.js';

export interface ConsumerOptions {
  readonly url: string;
  /** Where it gets the events from; without it from the log alone. */
  readonly natsUrl?: string;
  readonly owner: string;
  /** Position at which it ends. */
  readonly until: number;
  /** Right after the n-th statement has gone out it ends as by kill -9; the server may or may not get to it. */
  readonly dieAtStatement?: number;
  readonly leaseMs?: number;
  /** Whether the read model is kept as well. */
  readonly isProjecting: boolean;
}

const { url, natsUrl, owner, until, dieAtStatement, leaseMs, isProjecting } = JSON.parse(
  process.argv[2] ?? '',
) as ConsumerOptions;

if (dieAtStatement !== undefined) {
  const { query } = pg.Client.prototype;
  let statements = 0;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const answer: unknown = Reflect.apply(query, this, args);
    statements += 1;
    if (statements === dieAtStatement) setImmediate(() => process.kill(process.pid, 'SIGKILL'));
    return answer;
  } as typeof query;
}

const pool = createPool({ connectionString: url });
const nc = natsUrl === undefined ? undefined : await connectNats(natsUrl, 'consumer');
const { readAll } = createEventStore(pool, { upcasters: {} });
const source = (after: bigint, { signal }: AbortController) => ({ after, upcasters: {}, signal });
const following = (stop: AbortController) => ({
  batches: (after: bigint) =>
    nc ? eventFeed({ ...source(after, stop), nc, base: 0n, readAll }) : tailLog({ ...source(after, stop), pool }),
  onApplied: (position: bigint): void => {
    writeSync(1, '.\n');
    if (position >= BigInt(until)) stop.abort();
  },
});
const project = async (): Promise<void> => {
  const stop = new AbortController();
  const options = { pool, schema: SCHEMA, readModels: [readModel], signal: stop.signal, owner };
  await runProjections({ ...options, ...following(stop) });
};
await Promise.all([
  consume({ pool, owner, ...(leaseMs !== undefined && { leaseMs }), ...following(new AbortController()) }),
  isProjecting ? project() : undefined,
]);
await nc?.close();
await pool.end();
