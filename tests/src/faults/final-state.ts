// What is there in the end, by plain SQL and a plain NATS client: the checker's other half, without the store's own reads.
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type pg from 'pg';
import type { Applied, ReadRows, StoredEvent, StoredLog, StoredMessages } from './checker.js';

const TIME = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;
const OPEN_END = '9223372036854775807';

export const readLog = async (admin: pg.Pool): Promise<StoredLog> => {
  const events = await admin.query<StoredEvent>(
    `SELECT pos::int, event_id AS "eventId", stream_id AS stream, version::int, type, schema_ver AS "schemaVersion", workspace,
            actor, command_id AS "commandId", to_char(recorded_at AT TIME ZONE 'UTC', ${TIME}) AS "recordedAt",
            data::text, meta::text, encode(leaf, 'hex') AS leaf FROM es.event ORDER BY pos`,
  );
  const commands = await admin.query<StoredLog['commands'][number]>(
    `SELECT command_id AS id, first_pos::int AS first, last_pos::int AS last,
            to_char(recorded_at AT TIME ZONE 'UTC', ${TIME}) AS "recordedAt" FROM es.command`,
  );
  const streams = await admin.query<StoredLog['streams'][number]>(
    'SELECT stream_id AS id, version::int FROM es.stream',
  );
  const head = await admin.query<{ origin: string; head: number }>(
    'SELECT origin, last_pos::int AS head FROM es.log_head',
  );
  const [row] = head.rows;
  if (row === undefined) throw new Error('the log has no head');
  return { ...row, events: events.rows, commands: commands.rows, streams: streams.rows };
};

const checkpointOf = async (admin: pg.Pool, name: string): Promise<number> => {
  const { rows } = await admin.query<{ pos: number }>('SELECT pos::int FROM gateway.consumer WHERE name = $1', [name]);
  return rows[0]?.pos ?? 0;
};

export const readApplied = async (admin: pg.Pool): Promise<Applied> => {
  const { rows } = await admin.query<Applied['rows'][number]>(
    'SELECT pos::int, event_id AS "eventId" FROM gateway.applied ORDER BY ord',
  );
  return { consumer: 'applied', checkpoint: await checkpointOf(admin, 'applied'), rows };
};

export const readRows = async (admin: pg.Pool): Promise<ReadRows> => {
  const { rows } = await admin.query<{ key: string; body: string; from: number; to: string }>(
    'SELECT key, body::text, valid_from::int AS from, valid_to AS to FROM gateway.counts',
  );
  return {
    checkpoint: await checkpointOf(admin, 'counts'),
    rows: rows.map((row) => ({ ...row, to: row.to === OPEN_END ? undefined : Number(row.to) })),
  };
};

export const readNotes = async (admin: pg.Pool): Promise<readonly string[]> => {
  const { rows } = await admin.query<{ note: string }>('SELECT note FROM es.seal ORDER BY size');
  return rows.map(({ note }) => note);
};

/** All messages of the event stream, without their payloads. */
export const readMessages = async (natsUrl: string): Promise<StoredMessages> => {
  const { username, password, host } = new URL(natsUrl);
  const nc = await connect({ servers: host, user: username, pass: password });
  try {
    const { config, state } = await (await jetstreamManager(nc)).streams.info('KONTOR_EVENTS');
    const messages: { sequence: number; eventId: string }[] = [];
    if (state.messages > 0) {
      const consumer = await jetstream(nc).consumers.get('KONTOR_EVENTS', { headers_only: true });
      for await (const { seq, headers } of await consumer.consume()) {
        messages.push({ sequence: seq, eventId: headers?.get('ce-id') ?? '' });
        if (seq === state.last_seq) break;
      }
    }
    return { base: Number(config.metadata?.['base'] ?? 0), lastSequence: state.last_seq, messages };
  } finally {
    await nc.close();
  }
};
