import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Actor, RecordedEvent } from '@kontor/event-sourcing';
import {
  createEventStore,
  createPool,
  LOGIN_ROLES,
  type PostgresEventStore,
  prepareDatabase,
} from '@kontor/event-store';
import { type CommandReply, connectNats, sendCommand, toMessage } from '@kontor/messaging';
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
let urlFor: (role: string) => string;
let store: PostgresEventStore;
let isBroken = false;
const started: Running[] = [];

const start = async (log: Log = silent): Promise<Running> => {
  const running = await startService({
    context: counterContext(() => isBroken),
    upcasters: { Moved: [(data) => data] },
    enrich: () => ({
      EchoIfWhole: ({ data }) =>
        isBroken && (data as { defect: string }).defect === 'unfounded'
          ? Promise.reject(new Error('no facts'))
          : Promise.resolve(data),
    }),
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
  readonly actor?: Actor;
  readonly workspace?: string;
  readonly timeoutMs?: number;
  /** Replaces the assertion. */
  readonly assertion?: string;
  /** Signs for another command, or at another moment. */
  readonly assertedId?: string;
  readonly assertedAtMs?: number;
  /** Sends other bytes than were signed. */
  readonly tamper?: (text: string) => string;
  /** Signs the other bytes, as a client of our own that speaks such JSON. */
  readonly signTampered?: boolean;
}

/** As the gateway does it, unless told otherwise. */
const send = async (type: string, data: unknown, sending: Sending = {}): Promise<CommandReply> => {
  const { commandId = uuidv7(), issuer = 'gateway', roles = [], workspace = 'default', tamper } = sending;
  const correlationId = uuidv7();
  const metadata = { commandId, workspace: 'of-the-client', now: new Date().toISOString(), correlationId };
  const text = JSON.stringify({ type, data, metadata });
  const { actor = { id: 'ada', kind: 'person', roles } } = sending;
  const payload = Buffer.from(tamper ? tamper(text) : text);
  const signedPayload = sending.signTampered ? payload : Buffer.from(text);
  const signed = { issuer, actor, workspace, commandId: sending.assertedId ?? commandId, payload: signedPayload };
  const key = await loadPrivateKey(directory, issuer);
  if (sending.assertedAtMs !== undefined) vi.useFakeTimers({ now: sending.assertedAtMs, toFake: ['Date'] });
  const assertion = sending.assertion ?? (await signAssertion(key, signed));
  vi.useRealTimers();
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
  ({ urlFor } = prepared);
  pgUrl = urlFor('kontor_governance');
  admin = createPool({ connectionString: database.url });
  store = createEventStore(admin, { upcasters: { Moved: [(data) => data] } });
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
    [
      "the gateway's key in the name of the service",
      { actor: { id: 'service:governance', kind: 'service', roles: [] } },
    ],
    ["the gateway's key in the name of serving", { actor: { id: 'service:serving', kind: 'service', roles: [] } }],
  ])('with %s is UNAUTHENTICATED and appends nothing', async (_, sending) => {
    const reply = await send('Count', { counter: 'ada-counter' }, sending);
    expect(reply).toMatchObject({ outcome: 'failed', code: 'UNAUTHENTICATED' });
    expect([...(await eventsOf('ada-counter')), ...(await eventsOf('bob-counter'))]).toEqual([]);
  });

  it("is accepted from serving's key if it reports a revision in serving's name", async () => {
    const report = (id: string) =>
      send(
        'ReportRevisionState',
        { counter: 'report' },
        { issuer: 'serving', actor: { id, kind: 'service', roles: [] } },
      );
    expect(await report('service:serving')).toMatchObject({ outcome: 'accepted' });
    expect(await report('service:governance')).toMatchObject({ outcome: 'failed', code: 'UNAUTHENTICATED' });
  });

  it('that is refused at the door leaves its reason in the log of the process', async () => {
    const lines: unknown[] = [];
    await start({ info: (message, fields) => lines.push([message, fields]), error: () => undefined });
    await eventually(async () => {
      // Both processes answer; sooner or later the one with this log does.
      await send('Count', { counter: 'logged' }, { assertion: '' });
      return lines.some((line) => JSON.stringify(line).includes('the assertion is missing'));
    });
    expect(lines).toContainEqual([
      'a command was refused at the door',
      expect.objectContaining({ type: 'Count', reason: 'the assertion is missing' }),
    ]);
  });

  it.each([
    ['Count', { counter: '' }, 'counter'],
    ['Count', { counter: 'bad', then: 'dance' }, 'then'],
    ['Count', 'no object', ''],
    ['Uncount', { counter: 'bad' }, 'type'],
    ['constructor', { counter: 'bad' }, 'type'],
    ['Count', { counter: 'b\0d' }, 'counter'],
    ['Count', { counter: 'b\ud800d' }, 'counter'],
    ['Count', { counter: 'bad', unknown: { a: ['\0'] } }, 'unknown.a.0'],
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

  it.each([
    ['infinite', '1e999', 'more'],
    ['nested too deep', '['.repeat(100_000) + ']'.repeat(100_000), ''],
  ])('with a value that is %s is INVALID', async (_, text, path) => {
    const tamper = (sent: string): string => sent.replace('"here"', text);
    const sending = { tamper, signTampered: true };
    expect(await send('Count', { counter: 'bad', more: 'here' }, sending)).toMatchObject({ code: 'INVALID', path });
    expect(await eventsOf('bad')).toEqual([]);
  });

  it('that is larger than a message of NATS is INVALID, and says how large it may be', async () => {
    expect(await send('Count', { counter: 'bad', more: 'x'.repeat(1024 * 1024) })).toMatchObject({
      code: 'INVALID',
      message: expect.stringMatching(/has 1048\d+ bytes; allowed are 104\d+/) as string,
    });
  });

  it('takes the last of duplicate keys, and counts as the same command without them', async () => {
    const commandId = uuidv7();
    const tamper = (sent: string): string => sent.replace('"counter":', '"counter":"bad","counter":');
    const first = await send('Count', { counter: 'last' }, { commandId, tamper, signTampered: true });
    expect(first).toMatchObject({ outcome: 'accepted' });
    expect(await send('Count', { counter: 'last' }, { commandId })).toEqual(first);
    expect([...(await eventsOf('bad')), ...(await eventsOf('last'))]).toHaveLength(1);
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

  it('comes although an event of another context was written by a newer release', async () => {
    await start();
    const foreign = createEventStore({ connectionString: urlFor('kontor_registry') }, { upcasters: {} });
    await foreign.append({
      commandId: uuidv7(),
      requestHash: new Uint8Array(32),
      actor: 'ada',
      writes: [
        {
          stream: 'default/registry/run/moved',
          expected: 'any',
          events: [
            {
              eventId: uuidv7(),
              type: 'Moved',
              schemaVersion: 2,
              data: {},
              meta: { correlationId: uuidv7(), actorKind: 'person' },
            },
          ],
        },
      ],
    });
    await foreign.close();
    await send('Count', { counter: 'after', then: 'echo' });
    await eventually(async () => (await eventsOf('after-echo')).length === 1);
  });

  it('answers what the log holds, and nothing that only JetStream says', async () => {
    const running = await start();
    await send('Count', { counter: 'true', then: 'echo' });
    const [cause] = await eventsOf('true');
    if (!cause) throw new Error('nothing was counted');
    await eventually(async () => (await eventsOf('true-echo')).length === 1);
    const forgedId = uuidv7();
    const position = (await store.head()) + 1n;
    const forged = {
      ...cause,
      eventId: forgedId,
      position,
      data: JSON.stringify(cause.data),
      meta: JSON.stringify(cause.meta),
    };
    const { headers, data } = toMessage(forged, 'kontor.example/log/0');
    await eventually(async () => {
      const answer = await nc.request('$JS.API.STREAM.INFO.KONTOR_EVENTS');
      return BigInt(answer.json<{ state: { last_seq: number } }>().state.last_seq) === position - 1n;
    });
    nc.publish('kontor.evt.default.governance.counter.Counted', data, { headers });
    const { body } = await eventually(async () => {
      const answer = await readiness(running);
      return answer.status === 503 && answer;
    });
    expect(body).toMatchObject({
      problems: expect.arrayContaining([
        `reactions: JetStream has an event at position ${position} that the log does not have`,
      ]) as unknown,
    });
    expect(await outboxOf(forgedId)).toEqual([]);
    await stop(running);
    // What the relay asks for when the stream is no copy of the log: the next start makes a new one and fills it.
    await nc.request('$JS.API.STREAM.DELETE.KONTOR_EVENTS');
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

  it('that throws is parked with its reason; its stream waits, others go on, and once it is mended nothing is skipped', async () => {
    isBroken = true;
    const broken = await start();
    expect(await readiness(broken)).toEqual({ status: 200, body: { ok: true, problems: [] } });
    await send('Count', { counter: 'thrown', then: 'throw' });
    await send('Count', { counter: 'thrown', then: 'echo' });
    await send('Count', { counter: 'beside', then: 'echo' });
    const [cause, behind] = await eventsOf('thrown');
    await eventually(async () => (await eventsOf('beside-echo')).length === 1);
    expect(await checkpoint()).toBeGreaterThan(behind?.position ?? 0n);
    expect(await eventsOf('thrown-echo')).toEqual([]);
    const where = `position ${cause?.position} (Counted of default/governance/counter/thrown)`;
    const reason = `the reaction to ${where} failed: this reaction is broken`;
    expect(await readiness(broken)).toEqual({
      status: 503,
      body: { ok: false, problems: [`reactions: 2 events are parked, first: ${reason}`] },
    });
    const parked = async () =>
      (await admin.query('SELECT position, reason FROM governance.parked WHERE resolved_at IS NULL ORDER BY 1')).rows;
    const waiting = [
      { position: `${cause?.position}`, reason },
      { position: `${behind?.position}`, reason: 'an earlier event of the stream is parked' },
    ];
    expect(await parked()).toEqual(waiting);

    await stop(broken);
    const stillBroken = await start();
    await eventually(async () => (await readiness(stillBroken)).status === 503);
    expect(await parked()).toEqual(waiting);
    await stop(stillBroken);

    isBroken = false;
    const mended = await start();
    await eventually(async () => (await eventsOf('thrown-echo')).length === 2);
    expect((await eventsOf('thrown-echo')).map(({ meta }) => meta.causationId)).toEqual([
      cause?.eventId,
      behind?.eventId,
    ]);
    expect(await parked()).toEqual([]);
    expect(await readiness(mended)).toMatchObject({ status: 200 });
  });

  it.each([
    ['is invalid', 'invalid', { outcome: 'failed', code: 'INVALID', message: 'data: must be whole' }],
    ['fails again and again', 'crash', { outcome: 'failed', code: 'INTERNAL' }],
    ['has no facts', 'unfounded', { code: 'INTERNAL', message: 'adding its facts failed: no facts' }],
  ])(
    'whose command %s has it parked with its reply; later ones go on, and once it is mended none is skipped',
    async (_, then, reply) => {
      isBroken = true;
      const broken = await start();
      await send('Count', { counter: then, then });
      await send('Count', { counter: then, then });
      await send('Count', { counter: `beside-${then}`, then: 'echo' });
      const causes = await eventsOf(then);
      await eventually(async () => (await eventsOf(`beside-${then}-echo`)).length === 1);
      expect(await eventsOf(`${then}-echo`)).toEqual([]);
      const replies = await Promise.all(causes.map(({ eventId }) => outboxOf(eventId)));
      expect(replies).toMatchObject([[{ reply }], [{ reply }]]);
      const where = `EchoIfWhole after position ${causes[0]?.position}`;
      const first = replies[0]?.[0]?.reply;
      const message = first?.outcome === 'failed' && first.message;
      const problems = [`outbox: 2 commands are parked, first: ${where}: ${message}`];
      expect(await readiness(broken)).toEqual({ status: 503, body: { ok: false, problems } });
      await stop(broken);

      const stillBroken = await start();
      await eventually(async () => {
        const { body } = await readiness(stillBroken);
        return JSON.stringify(body).includes('2 commands are parked');
      });
      await stop(stillBroken);

      isBroken = false;
      const mended = await start();
      await eventually(async () => (await eventsOf(`${then}-echo`)).length === 2);
      expect((await eventsOf(`${then}-echo`)).map(({ meta }) => meta.causationId)).toEqual(
        causes.map(({ eventId }) => eventId),
      );
      await eventually(async () => {
        const { rowCount } = await admin.query(
          'SELECT FROM governance.outbox WHERE parked_at IS NOT NULL OR done_at IS NULL',
        );
        return rowCount === 0;
      });
      expect(await readiness(mended)).toMatchObject({ status: 200 });
    },
  );
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
      next(name.startsWith('.') && context.parentURL?.endsWith('.ts') ? name.replace(/\\.js$/, '.ts') : name, context) });`;
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
