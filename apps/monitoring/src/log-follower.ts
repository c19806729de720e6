import { monitoring } from '@kontor/domain/monitoring';
import type { RecordedEvent } from '@kontor/event-sourcing';
import { createEventStore, inTransaction } from '@kontor/event-store';
import type pg from 'pg';

const TYPES = [
  'BaselineRequested',
  'BaselinePinned',
  'EvaluationRequested',
  'MonitorDefined',
  'DataSourceRegistered',
] as const;

const UPSERT = 'ON CONFLICT (workspace, id) DO UPDATE SET data = EXCLUDED.data';

const apply = async (client: pg.ClientBase, { type, workspace, position, data }: RecordedEvent): Promise<void> => {
  const json = JSON.stringify(data);
  const { success, data: known } = monitoring.events[type]?.safeParse(data) ?? { success: false, data: undefined };
  if (!success) throw new Error(`${type} at ${position} does not have its own shape`);
  const ids = known as { baselineId: string; monitorId: string; dataSourceId: string; endpoint: string };
  switch (type) {
    case 'BaselineRequested':
    case 'EvaluationRequested':
      await client.query('INSERT INTO monitoring.task VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING', [
        position,
        workspace,
        type,
        json,
      ]);
      return;
    case 'BaselinePinned':
      await client.query(`INSERT INTO monitoring.baseline VALUES ($1, $2, $3) ${UPSERT}`, [
        workspace,
        ids.baselineId,
        json,
      ]);
      return;
    case 'DataSourceRegistered':
      await client.query(`INSERT INTO monitoring.data_source VALUES ($1, $2, $3) ${UPSERT}`, [
        workspace,
        ids.dataSourceId,
        json,
      ]);
      return;
    case 'MonitorDefined':
      await client.query(
        `INSERT INTO monitoring.monitor (workspace, id, endpoint, data) VALUES ($1, $2, $3, $4) ${UPSERT}`,
        [workspace, ids.monitorId, ids.endpoint, json],
      );
      return;
    default:
      return;
  }
};

/**
 * Brings definitions and tasks up to the head of the log. Rows and cursor move in one transaction.
 *
 * Called before each batch of telemetry, so a monitor counts every row that was sent after it was defined.
 */
export const followLog = async (pool: pg.Pool): Promise<void> => {
  const store = createEventStore(pool, { upcasters: monitoring.upcasters });
  try {
    await inTransaction(pool, async (client) => {
      await client.query('INSERT INTO monitoring.log_cursor (pos) VALUES (0) ON CONFLICT DO NOTHING');
      const { rows } = await client.query<{ pos: string }>('SELECT pos FROM monitoring.log_cursor FOR UPDATE');
      const after = BigInt(rows[0]?.pos ?? 0);
      const head = await store.head();
      if (head === after) return;
      for await (const event of store.readAll(after, { upTo: head, types: TYPES })) await apply(client, event);
      await client.query('UPDATE monitoring.log_cursor SET pos = $1', [head]);
    });
  } finally {
    await store.close();
  }
};
