import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecordedEvent } from '@kontor/event-sourcing';
import {
  createEventStore,
  createPool,
  LOGIN_ROLES,
  type PostgresEventStore,
  prepareDatabase,
} from '@kontor/event-store';
import { type CommandReply, connectNats, sendCommand } from '@kontor/messaging';
import { eventually, testDatabase, type TestDatabase, testNats, type TestNats, uuidv7 } from '@kontor/testing';
import type { NatsConnection } from '@nats-io/transport-node';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { signAssertion } from './assertion.js';
import { startService } from './bootstrap.js';
import { counterContext, counterStream } from './counter.fixture.js';
import { ensureKeyPair, loadPrivateKey } from './keys.js';
import type { Running } from './lifecycle.js';
import type { Log } from './log.js';

const silent: Log = { info: () => undefined, error: () => undefined };

let directory: string;
let database: TestDatabase;
let nats: TestNats;
let nc: NatsConnection;
let admin: pg.Pool;
let pgUrl: string;
let store: PostgresEventStore;
let isBroken = false;
const started: Running[] = [];

const start = async (log: Log = silent): Promise<Running> => {
  const running = await startService({
    context: counterContext(() => isBroken),
    config: { pgUrl, natsUrl: nats.url, keysDir: directory, artifactsDir: directory, healthPort: 0 },
    log,
  });
  started.push(running);
  return running;
};

const stop = async (running: Running): Promise<void> => {
  started.splice(started.indexOf(running), 1);
  await running.stop();
};

interface Sending {
  readonly commandId?: string;
  readonly issuer?: string;
  readonly roles?: readonly string[];
  readonly workspace?: string;
  readonly timeoutMs?: number;
  /** Replaces the assertion. */
  readonly assertion?: string;
  /** Signs for another command, or at another moment. */
  readonly assertedId?: string;
  readonly assertedAtMs?: number;
  /** Sends other bytes than were signed. */
  readonly tamper?: (text: string) => string;
}

/** As the gateway does it, unless told otherwise. */
const send = async (type: string, data: unknown, sending: Sending = {}): Promise<CommandReply> => {
  const { commandId = uuidv7(), issuer = 'gateway', roles = [], workspace = 'default', tamper } = sending;
  const correlationId = uuidv7();
  const metadata = { commandId, workspace: 'of-the-client', now: new Date().toISOString(), correlationId };
  const text = JSON.stringify({ type, data, metadata });
  const actor = { id: 'ada', kind: 'person' as const, roles };
  const signed = { issuer, actor, workspace, commandId: sending.assertedId ?? commandId, payload: Buffer.from(text) };
  const key = await loadPrivateKey(directory, issuer);
  if (sending.assertedAtMs !== undefined) vi.useFakeTimers({ now: sending.assertedAtMs, toFake: ['Date'] });
  const assertion = sending.assertion ?? (await signAssertion(key, signed));
  vi.useRealTimers();
  const payload = Buffer.from(tamper ? tamper(text) : text);
  const { timeoutMs = 10_000 } = sending;
  return sendCommand(nc, { context: 'governance', type, payload, assertion, correlationId, timeoutMs });
};

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

const eventsOf = (counter: string, workspace?: string): Promise<RecordedEvent[]> =>
  all(store.readStream(counterStream(counter, workspace)));

const outboxOf = async (eventId: string | undefined) => {
  const { rows } = await admin.query<{ reply: CommandReply | null; command_id: string }>(
    'SELECT reply, command_id FROM governance.outbox WHERE causation_id = $1',
    [eventId],
  );
  return rows;
};

const readiness = async (running: Running): Promise<{ status: number; body: unknown }> => {
  const response = await fetch(`${running.addresses?.['health']}/health/ready`);
  return { status: response.status, body: await response.json() };
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kontor-spec-'));
  await Promise.all(['gateway', 'serving', 'mallory'].map((name) => ensureKeyPair(directory, name)));
  database = await testDatabase();
  nats = await testNats();
  nc = await connectNats(nats.url, 'spec');
  // Roles belong to the server, so all specs give them the same passwords.
  const passwords = Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test']));
  const name = new URL(database.url).pathname.slice(1);
  const prepared = await prepareDatabase({
    adminUrl: database.url,
    database: name,
    passwords,
    origin: 'kontor.example/log/0',
  });
  pgUrl = prepared.urlFor('kontor_governance');
  admin = createPool({ connectionString: database.url });
  store = createEventStore(admin, { upcasters: {} });
});

afterAll(async () => {
  await store.close();
  await admin.end();
  await nc.close();
  await nats.stop();
  await database.drop();
  await rm(directory, { recursive: true });
});

afterEach(async () => {
  isBroken = false;
  for (const running of [...started]) await stop(running);
});

describe('a command over NATS', () => {
  beforeEach(async () => {
    await start();
  });

  it('is appended with actor and workspace of the assertion, and answered with its position', async () => {
    const commandId = uuidv7();
    const reply = await send('Count', { counter: 'first' }, { commandId, workspace: 'other' });
    const [event, ...rest] = await eventsOf('first', 'other');
    expect(rest).toEqual([]);
    expect(event).toMatchObject({ type: 'Counted', actor: 'ada', workspace: 'other', commandId });
    expect(reply).toEqual({
      outcome: 'accepted',
      position: String(event?.position),
      version: '1',
      eventIds: [event?.eventId],
    });
  });

  it.each<[string, Sending]>([
    ['no assertion', { assertion: '' }],
    ['an assertion for another command', { assertedId: uuidv7() }],
    ['an assertion of a minute ago', { assertedAtMs: Date.now() - 60_000 }],
    ['an assertion of an unknown issuer', { issuer: 'mallory' }],
    ['a payload that was changed', { tamper: (text) => text.replace('ada-counter', 'bob-counter') }],
    ['the role auditor, beside others', { roles: ['admin', 'auditor'] }],
    ["serving's key, which may only report", { issuer: 'serving' }],
  ])('with %s is UNAUTHENTICATED and appends nothing', async (_, sending) => {
    const reply = await send('Count', { counter: 'ada-counter' }, sending);
    expect(reply).toMatchObject({ outcome: 'failed', code: 'UNAUTHENTICATED' });
    expect([...(await eventsOf('ada-counter')), ...(await eventsOf('bob-counter'))]).toEqual([]);
  });

  it("is accepted from serving's key if it reports a revision", async () => {
    expect(await send('ReportRevisionState', { counter: 'report' }, { issuer: 'serving' })).toMatchObject({
      outcome: 'accepted',
    });
  });

  it.each([
    ['Count', { counter: '' }, 'counter'],
    ['Count', { counter: 'bad', then: 'dance' }, 'then'],
    ['Count', 'no object', ''],
    ['Uncount', { counter: 'bad' }, 'type'],
    ['constructor', { counter: 'bad' }, 'type'],
  ])('%s of %j is INVALID and names the path', async (type, data, path) => {
    const reply = await send(type, data);
    expect(reply).toMatchObject({ outcome: 'failed', code: 'INVALID', path });
    expect(reply).toHaveProperty('message', expect.stringContaining(path || 'data'));
    expect(await eventsOf('bad')).toEqual([]);
  });

  it.each([
    ['no JSON', 'hello', ''],
    [
      'a command id that is no UUIDv7',
      JSON.stringify({ type: 'Count', data: {}, metadata: { commandId: '1' } }),
      'metadata.commandId',
    ],
  ])('that is %s is INVALID', async (_, text, path) => {
    expect(await send('Count', {}, { tamper: () => text })).toMatchObject({ code: 'INVALID', path });
  });

  it('whose id is older than the log remembers is INVALID', async () => {
    const commandId = '0160a0b0-0000-7000-8000-000000000001';
    expect(await send('Count', { counter: 'late' }, { commandId })).toMatchObject({
      code: 'INVALID',
      message: expect.stringContaining('make a new id') as string,
    });
  });

  it('that is sent again gets the same answer, at once or later, and happens once', async () => {
    const commandId = uuidv7();
    const again = (): Promise<CommandReply> => send('Count', { counter: 'twice' }, { commandId });
    const [one, two] = await Promise.all([again(), again()]);
    const three = await again();
    expect(one).toMatchObject({ outcome: 'accepted', version: '1' });
    expect(one).toHaveProperty('eventIds.length', 1);
    expect([two, three]).toEqual([one, one]);
    expect(await eventsOf('twice')).toHaveLength(1);
  });

  it('with a used id and another body is an IDEMPOTENCY_MISMATCH', async () => {
    const commandId = uuidv7();
    await send('Count', { counter: 'used' }, { commandId });
    for (const [data, workspace] of [
      [{ counter: 'other' }, 'default'],
      [{ counter: 'used' }, 'other'],
    ] as const) {
      const reply = await send('Count', data, { commandId, workspace });
      expect(reply).toMatchObject({ outcome: 'rejected', code: 'IDEMPOTENCY_MISMATCH' });
    }
    expect([...(await eventsOf('other')), ...(await eventsOf('used', 'other'))]).toEqual([]);
  });

  it('is rejected with the code and sentence of its context', async () => {
    expect(await send('Refuse', { counter: 'none' })).toEqual({
      outcome: 'rejected',
      code: 'NOT_WANTED',
      message: 'Nobody wants that.',
      details: { n: 0 },
    });
  });

  it('is NAME_TAKEN for a name of another stream, and accepted again for its own', async () => {
    expect(await send('TakeName', { counter: 'a', name: 'x' })).toMatchObject({ outcome: 'accepted' });
    expect(await send('TakeName', { counter: 'b', name: 'x' })).toMatchObject({ code: 'NAME_TAKEN' });
    expect(await send('TakeName', { counter: 'a', name: 'x' })).toMatchObject({ outcome: 'accepted' });
    expect(await eventsOf('b')).toEqual([]);
  });

  it('is GUARD_MOVED if the stream that it rests on has moved', async () => {
    await send('Count', { counter: 'fact' });
    const resting = { counter: 'resting', guarded: 'fact', version: '1' };
    expect(await send('CountIf', resting)).toMatchObject({ outcome: 'accepted' });
    await send('Count', { counter: 'fact' });
    expect(await send('CountIf', resting)).toMatchObject({ outcome: 'rejected', code: 'GUARD_MOVED' });
    expect(await eventsOf('resting')).toHaveLength(1);
  });

  it('finds its turn among 50 at once on one stream', async () => {
    const replies = await Promise.all(Array.from({ length: 50 }, () => send('Count', { counter: 'crowd' })));
    const ids = replies.flatMap((reply) => (reply.outcome === 'accepted' ? reply.eventIds : []));
    const events = await eventsOf('crowd');
    expect(new Set(ids)).toEqual(new Set(events.map(({ eventId }) => eventId)));
    expect(events.map(({ data }) => (data as { n: number }).n)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
  });

  it('reaches JetStream through the relay at sequence = position', async () => {
    const reply = await send('Count', { counter: 'relayed' });
    const last = reply.outcome === 'accepted' ? Number(reply.position) : 0;
    for (const seq of [1, Math.ceil(last / 2), last]) {
      const events = await all(store.readAll(BigInt(seq - 1), { upTo: BigInt(seq) }));
      await eventually(async () => {
        const answer = await nc.request('$JS.API.STREAM.MSG.GET.KONTOR_EVENTS', JSON.stringify({ seq }));
        const { message } = answer.json<{ message?: { hdrs: string } }>();
        if (message === undefined) return false;
        const header = Buffer.from(message.hdrs, 'base64').toString();
        expect(header).toContain(`ce-pos: ${seq}\r\n`);
        expect(header).toContain(`ce-id: ${events[0]?.eventId}\r\n`);
        return true;
      });
    }
  });

  it('works again after NATS was killed and came back, and what was appended meanwhile is relayed', async () => {
    await nats.kill();
    await nats.restart();
    const reply = await eventually(async () => {
      const answer = await send('Count', { counter: 'revived', then: 'echo' }, { timeoutMs: 500 });
      return answer.outcome === 'accepted' && answer;
    });
    expect((await eventsOf('revived')).length).toBeGreaterThan(0);
    await eventually(async () => (await eventsOf('revived-echo')).length > 0);
    await eventually(async () => {
      const answer = await nc.request('$JS.API.STREAM.INFO.KONTOR_EVENTS');
      return answer.json<{ state: { last_seq: number } }>().state.last_seq >= Number(reply.position);
    });
  });
});

describe('two processes of one service', () => {
  it('answer every command once and react once', async () => {
    await Promise.all([start(), start()]);
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, n) => send('Count', { counter: `pair-${n % 5}`, then: 'echo' })),
    );
    const accepted = replies.flatMap((reply) => (reply.outcome === 'accepted' ? reply.eventIds : []));
    const others = replies.filter(({ outcome }) => outcome !== 'accepted');
    expect(others.filter((reply) => !('code' in reply && reply.code === 'CONFLICT'))).toEqual([]);
    const counters = Array.from({ length: 5 }, (_, n) => `pair-${n}`);
    const stored = (await Promise.all(counters.map((counter) => eventsOf(counter)))).flat();
    expect(new Set(stored.map(({ eventId }) => eventId))).toEqual(new Set(accepted));
    await eventually(async () => {
      const { rows } = await admin.query('SELECT FROM governance.outbox WHERE done_at IS NULL');
      const { rows: all } = await admin.query('SELECT FROM governance.outbox WHERE causation_id = ANY($1)', [accepted]);
      return rows.length === 0 && all.length === accepted.length;
    });
    const echoes = (await Promise.all(counters.map((counter) => eventsOf(`${counter}-echo`)))).flat();
    expect(new Set(echoes.map(({ data }) => (data as { of: string }).of))).toEqual(new Set(accepted));
    expect(echoes).toHaveLength(accepted.length);
  });
});

describe('a reaction', () => {
  const checkpoint = async (): Promise<bigint> => {
    const { rows } = await admin.query<{ pos: string }>('SELECT pos FROM governance.consumer');
    return BigInt(rows[0]?.pos ?? 0);
  };

  it('happens once although the service restarts and sends its command again', async () => {
    const first = await start();
    await send('Count', { counter: 'once', then: 'echo' });
    const [cause] = await eventsOf('once');
    const [row] = await eventually(async () => {
      const rows = await outboxOf(cause?.eventId);
      return rows[0]?.reply ? rows : false;
    });
    await stop(first);
    const reached = await checkpoint();
    expect(reached).toBeGreaterThanOrEqual(cause?.position ?? 0n);
    // As after a crash between the append and the note in the outbox.
    await admin.query('UPDATE governance.outbox SET done_at = NULL, reply = NULL WHERE causation_id = $1', [
      cause?.eventId,
    ]);
    const second = await start();
    const again = await eventually(async () => {
      const rows = await outboxOf(cause?.eventId);
      return rows[0]?.reply ? rows : false;
    });
    await stop(second);
    expect(again).toEqual([row]);
    expect(await checkpoint()).toBeGreaterThanOrEqual(reached);
    const [echo, ...more] = await eventsOf('once-echo');
    expect(more).toEqual([]);
    expect(echo).toMatchObject({
      actor: 'service:governance',
      commandId: row?.command_id,
      meta: { causationId: cause?.eventId, correlationId: cause?.meta.correlationId, actorKind: 'service' },
    });
  });

  it('that is rejected stays in the outbox with its reply', async () => {
    await start();
    await send('Count', { counter: 'unwanted', then: 'refuse' });
    const [cause] = await eventsOf('unwanted');
    const rows = await eventually(async () => {
      const found = await outboxOf(cause?.eventId);
      return found[0]?.reply ? found : false;
    });
    expect(rows).toMatchObject([{ reply: { outcome: 'rejected', code: 'NOT_WANTED' } }]);
  });

  it('that throws turns readiness red, and nothing is skipped once it is mended', async () => {
    isBroken = true;
    const broken = await start();
    expect(await readiness(broken)).toEqual({ status: 200, body: { ok: true, problems: [] } });
    await send('Count', { counter: 'thrown', then: 'throw' });
    await send('Count', { counter: 'behind', then: 'echo' });
    const [cause] = await eventsOf('thrown');
    const { body } = await eventually(async () => {
      const answer = await readiness(broken);
      return answer.status === 503 && answer;
    });
    const where = `position ${cause?.position} (Counted of default/governance/counter/thrown)`;
    expect(body).toEqual({
      ok: false,
      problems: [`reactions: the reaction to ${where} failed: this reaction is broken`],
    });
    expect(await checkpoint()).toBeLessThan(cause?.position ?? 0n);
    await stop(broken);
    expect(await eventsOf('behind-echo')).toEqual([]);
    isBroken = false;
    const mended = await start();
    await eventually(async () => (await eventsOf('behind-echo')).length === 1);
    expect(await eventsOf('thrown-echo')).toHaveLength(1);
    expect(await readiness(mended)).toMatchObject({ status: 200 });
  });
});

describe('stop', () => {
  it('answers the commands that were begun, and takes no more', async () => {
    const running = await start();
    await send('Count', { counter: 'warm' });
    // The append waits for the log's head, so the command is surely in work when the service is told to stop.
    const holder = await admin.connect();
    try {
      await holder.query('BEGIN; SELECT FROM es.log_head FOR UPDATE');
      const reply = send('Count', { counter: 'draining' });
      await eventually(async () => {
        const { rows } = await admin.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rows.length > 0;
      });
      const stopped = stop(running);
      await holder.query('COMMIT');
      expect(await reply).toMatchObject({ outcome: 'accepted' });
      await stopped;
    } finally {
      holder.release();
    }
    expect(await eventsOf('draining')).toHaveLength(1);
    expect(await send('Count', { counter: 'draining' })).toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('runProcess', () => {
  // Node runs the source itself; only the endings of relative imports need help.
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ resolve: (name, context, next) =>
      next(name.startsWith('.') && !context.parentURL?.includes('node_modules') ? name.replace(/\\.js$/, '.ts') : name, context) });`;
  const run = (environment: Record<string, string>): { child: ChildProcess; output: () => string } => {
    const child = fork(join(import.meta.dirname, 'process.fixture.ts'), {
      execArgv: ['--no-warnings', '--import', `data:text/javascript,${encodeURIComponent(hook)}`],
      env: { KONTOR_PG_URL: pgUrl, KONTOR_NATS_URL: nats.url, ...environment },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const chunks: unknown[] = [];
    child.stderr?.on('data', (chunk) => chunks.push(chunk));
    return { child, output: () => chunks.join('') };
  };

  it('ends with code 2 and the name of the variable for a wrong setting', async () => {
    const { child, output } = run({ KONTOR_HEALTH_PORT: 'x' });
    expect(await once(child, 'close')).toEqual([2, null]);
    expect(output()).toBe('KONTOR_HEALTH_PORT is "x": must be a port from 0 to 65535\n');
  });

  it.each<[string, (child: ChildProcess) => void]>([
    ['SIGTERM', (child) => child.kill('SIGTERM')],
    ['SIGINT', (child) => child.kill('SIGINT')],
    ['the end of the channel to its parent', (child) => child.disconnect()],
  ])('tells its parent when it is ready, and ends with code 0 after %s', async (_, end) => {
    const { child, output } = run({});
    expect(await once(child, 'message')).toEqual([{ ready: true, addresses: { spec: 'http://127.0.0.1' } }, undefined]);
    end(child);
    // Not `close`: Node does not tell it after a disconnect.
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(output()).toBe('');
  });
});
