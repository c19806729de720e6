import type { DomainEvent, Position, Projection, RecordedEvent } from '@kontor/event-sourcing';
import {
  advanceCheckpoint,
  claimCheckpoint,
  ensureReadModels,
  inTransaction,
  lockCheckpoint,
  type ReadModel,
} from '@kontor/event-store';
import type pg from 'pg';

export const SCHEMA = 'gateway';

/** A row per stream that shows every event: what I11 folds on its own. */
const counts: Projection<{ count: number; last: string }, DomainEvent<'Counted', object>> = {
  name: 'counts',
  version: 1,
  canHandle: ['Counted'],
  keys: ({ streamId }) => [streamId],
  evolve: (row, { eventId }) => ({ count: (row?.count ?? 0) + 1, last: eventId }),
};
export const readModel: ReadModel = { projection: counts, columns: {}, indexes: [] };

/** Makes what the consumers write into, as the role that owns it. */
export const prepareConsumers = async (pool: pg.Pool): Promise<void> => {
  await ensureReadModels({ pool, schema: SCHEMA, upcasters: {} }, [readModel]);
  await pool.query(
    `CREATE TABLE IF NOT EXISTS ${SCHEMA}.applied (ord bigint GENERATED ALWAYS AS IDENTITY, pos bigint, event_id uuid, owner text)`,
  );
};

interface ConsumeOptions {
  readonly pool: pg.Pool;
  readonly owner: string;
  readonly leaseMs?: number;
  readonly batches: (after: Position) => AsyncIterable<readonly RecordedEvent[]>;
  readonly onApplied?: (position: Position) => void;
}

/** Applies each event by a row of its own, in one transaction with the checkpoint: what I10 looks at. */
export const consume = async ({ pool, owner, leaseMs, batches, onApplied }: ConsumeOptions): Promise<void> => {
  const claim = await claimCheckpoint(pool, {
    schema: SCHEMA,
    name: 'applied',
    version: 1,
    owner,
    ...(leaseMs && { leaseMs }),
  });
  onApplied?.(claim.position);
  for await (const batch of batches(claim.position)) {
    const last = batch.at(-1)?.position;
    if (last === undefined) continue; // a silent second
    await inTransaction(pool, async (client) => {
      const done = await lockCheckpoint(client, claim);
      const fresh = batch.filter(({ position }) => position > done);
      await client.query(
        `INSERT INTO ${SCHEMA}.applied (pos, event_id, owner)
         SELECT u.pos, u.id, $3 FROM unnest($1::bigint[], $2::uuid[]) WITH ORDINALITY AS u(pos, id, ord) ORDER BY u.ord`,
        [fresh.map(({ position }) => position), fresh.map(({ eventId }) => eventId), owner],
      );
      if (last > done) await advanceCheckpoint(client, claim, last);
    });
    onApplied?.(last);
  }
};
