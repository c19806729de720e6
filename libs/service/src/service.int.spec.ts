import type { CommandReply } from '@kontor/messaging';
import { eventually, uuidv7 } from '@kontor/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { all, openServiceFixture, type Sending, type ServiceFixture } from './service.fixture.js';

let service: ServiceFixture;

beforeAll(async () => {
  service = await openServiceFixture();
});
afterEach(async () => {
  await service.stopAll();
});
afterAll(async () => {
  await service.close();
});

describe('a command over NATS', () => {
  beforeEach(async () => {
    await service.start();
  });

  it('is appended with actor and workspace of the assertion, and answered with its position', async () => {
    const commandId = uuidv7();
    const reply = await service.send('Count', { counter: 'first' }, { commandId, workspace: 'other' });
    const [event, ...rest] = await service.eventsOf('first', 'other');
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
    const reply = await service.send('Count', { counter: 'ada-counter' }, sending);
    expect(reply).toMatchObject({ outcome: 'failed', code: 'UNAUTHENTICATED' });
    expect([...(await service.eventsOf('ada-counter')), ...(await service.eventsOf('bob-counter'))]).toEqual([]);
  });

  it("is accepted from serving's key if it reports a revision in serving's name", async () => {
    const report = (id: string) =>
      service.send(
        'ReportRevisionState',
        { counter: 'report' },
        { issuer: 'serving', actor: { id, kind: 'service', roles: [] } },
      );
    expect(await report('service:serving')).toMatchObject({ outcome: 'accepted' });
    expect(await report('service:governance')).toMatchObject({ outcome: 'failed', code: 'UNAUTHENTICATED' });
  });

  it('says when something happened elsewhere only if an administrator sends it', async () => {
    const occurredAt = '2020-01-01T00:00:00.000Z';
    const tamper = (sent: string): string => sent.replace('"now":', `"occurredAt":"${occurredAt}","now":`);
    const send = (...roles: string[]) =>
      service.send('Count', { counter: 'elsewhere' }, { tamper, signTampered: true, roles });
    expect(await send('owner')).toMatchObject({ outcome: 'failed', code: 'UNAUTHENTICATED' });
    expect(await service.eventsOf('elsewhere')).toEqual([]);
    expect(await send('admin')).toMatchObject({ outcome: 'accepted' });
    expect(await service.eventsOf('elsewhere')).toMatchObject([{ meta: { occurredAt } }]);
  });

  it('that is refused at the door leaves its reason in the log of the process', async () => {
    const lines: unknown[] = [];
    await service.start({ info: (message, fields) => lines.push([message, fields]), error: () => undefined });
    await eventually(async () => {
      // Both processes answer; sooner or later the one with this log does.
      await service.send('Count', { counter: 'logged' }, { assertion: '' });
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
    const reply = await service.send(type, data);
    expect(reply).toMatchObject({ outcome: 'failed', code: 'INVALID', path });
    expect(reply).toHaveProperty('message', expect.stringContaining(path || 'data'));
    expect(await service.eventsOf('bad')).toEqual([]);
  });

  it.each([
    ['no JSON', 'hello', ''],
    [
      'a command id that is no UUIDv7',
      JSON.stringify({ type: 'Count', data: {}, metadata: { commandId: '1' } }),
      'metadata.commandId',
    ],
  ])('that is %s is INVALID', async (_, text, path) => {
    expect(await service.send('Count', {}, { tamper: () => text })).toMatchObject({ code: 'INVALID', path });
  });

  it.each([
    ['infinite', '1e999', 'more'],
    ['nested too deep', '['.repeat(100_000) + ']'.repeat(100_000), ''],
  ])('with a value that is %s is INVALID', async (_, text, path) => {
    const tamper = (sent: string): string => sent.replace('"here"', text);
    const sending = { tamper, signTampered: true };
    expect(await service.send('Count', { counter: 'bad', more: 'here' }, sending)).toMatchObject({
      code: 'INVALID',
      path,
    });
    expect(await service.eventsOf('bad')).toEqual([]);
  });

  it('that is larger than a message of NATS is INVALID, and says how large it may be', async () => {
    expect(await service.send('Count', { counter: 'bad', more: 'x'.repeat(1024 * 1024) })).toMatchObject({
      code: 'INVALID',
      message: expect.stringMatching(/has 1048\d+ bytes; allowed are 104\d+/) as string,
    });
  });

  it('takes the last of duplicate keys, and counts as the same command without them', async () => {
    const commandId = uuidv7();
    const tamper = (sent: string): string => sent.replace('"counter":', '"counter":"bad","counter":');
    const first = await service.send('Count', { counter: 'last' }, { commandId, tamper, signTampered: true });
    expect(first).toMatchObject({ outcome: 'accepted' });
    expect(await service.send('Count', { counter: 'last' }, { commandId })).toEqual(first);
    expect([...(await service.eventsOf('bad')), ...(await service.eventsOf('last'))]).toHaveLength(1);
  });

  it('whose id is older than the log remembers is INVALID', async () => {
    const commandId = '0160a0b0-0000-7000-8000-000000000001';
    expect(await service.send('Count', { counter: 'late' }, { commandId })).toMatchObject({
      code: 'INVALID',
      message: expect.stringContaining('make a new id') as string,
    });
  });

  it('that is sent again gets the same answer, at once or later, and happens once', async () => {
    const commandId = uuidv7();
    const again = (): Promise<CommandReply> => service.send('Count', { counter: 'twice' }, { commandId });
    const [one, two] = await Promise.all([again(), again()]);
    const three = await again();
    expect(one).toMatchObject({ outcome: 'accepted', version: '1' });
    expect(one).toHaveProperty('eventIds.length', 1);
    expect([two, three]).toEqual([one, one]);
    expect(await service.eventsOf('twice')).toHaveLength(1);
  });

  it('with a used id and another body is an IDEMPOTENCY_MISMATCH', async () => {
    const commandId = uuidv7();
    await service.send('Count', { counter: 'used' }, { commandId });
    for (const [data, workspace] of [
      [{ counter: 'other' }, 'default'],
      [{ counter: 'used' }, 'other'],
    ] as const) {
      const reply = await service.send('Count', data, { commandId, workspace });
      expect(reply).toMatchObject({ outcome: 'rejected', code: 'IDEMPOTENCY_MISMATCH' });
    }
    expect([...(await service.eventsOf('other')), ...(await service.eventsOf('used', 'other'))]).toEqual([]);
  });

  it('is rejected with the code and sentence of its context', async () => {
    expect(await service.send('Refuse', { counter: 'none' })).toEqual({
      outcome: 'rejected',
      code: 'NOT_WANTED',
      message: 'Nobody wants that.',
      details: { n: 0 },
    });
  });

  it('is NAME_TAKEN for a name of another stream, and accepted again for its own', async () => {
    expect(await service.send('TakeName', { counter: 'a', name: 'x' })).toMatchObject({ outcome: 'accepted' });
    expect(await service.send('TakeName', { counter: 'b', name: 'x' })).toMatchObject({ code: 'NAME_TAKEN' });
    expect(await service.send('TakeName', { counter: 'a', name: 'x' })).toMatchObject({ outcome: 'accepted' });
    expect(await service.eventsOf('b')).toEqual([]);
  });

  it('is GUARD_MOVED if the stream that it rests on has moved', async () => {
    await service.send('Count', { counter: 'fact' });
    const resting = { counter: 'resting', guarded: 'fact', version: '1' };
    expect(await service.send('CountIf', resting)).toMatchObject({ outcome: 'accepted' });
    await service.send('Count', { counter: 'fact' });
    expect(await service.send('CountIf', resting)).toMatchObject({ outcome: 'rejected', code: 'GUARD_MOVED' });
    expect(await service.eventsOf('resting')).toHaveLength(1);
  });

  it('finds its turn among 50 at once on one stream', async () => {
    const replies = await Promise.all(Array.from({ length: 50 }, () => service.send('Count', { counter: 'crowd' })));
    const ids = replies.flatMap((reply) => (reply.outcome === 'accepted' ? reply.eventIds : []));
    const events = await service.eventsOf('crowd');
    expect(new Set(ids)).toEqual(new Set(events.map(({ eventId }) => eventId)));
    expect(events.map(({ data }) => (data as { n: number }).n)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
  });

  it('reaches JetStream through the relay at sequence = position', async () => {
    const reply = await service.send('Count', { counter: 'relayed' });
    const last = reply.outcome === 'accepted' ? Number(reply.position) : 0;
    for (const seq of [1, Math.ceil(last / 2), last]) {
      const events = await all(service.store.readAll(BigInt(seq - 1), { upTo: BigInt(seq) }));
      await eventually(async () => {
        const answer = await service.nc.request('$JS.API.STREAM.MSG.GET.KONTOR_EVENTS', JSON.stringify({ seq }));
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
    await service.nats.kill();
    await service.nats.restart();
    const reply = await eventually(async () => {
      const answer = await service.send('Count', { counter: 'revived', then: 'echo' }, { timeoutMs: 500 });
      return answer.outcome === 'accepted' && answer;
    });
    expect((await service.eventsOf('revived')).length).toBeGreaterThan(0);
    await eventually(async () => (await service.eventsOf('revived-echo')).length > 0);
    await eventually(async () => {
      const answer = await service.nc.request('$JS.API.STREAM.INFO.KONTOR_EVENTS');
      return answer.json<{ state: { last_seq: number } }>().state.last_seq >= Number(reply.position);
    });
  });
});

describe('two processes of one service', () => {
  it('answer every command once and react once', async () => {
    await Promise.all([service.start(), service.start()]);
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, n) => service.send('Count', { counter: `pair-${n % 5}`, then: 'echo' })),
    );
    const accepted = replies.flatMap((reply) => (reply.outcome === 'accepted' ? reply.eventIds : []));
    const others = replies.filter(({ outcome }) => outcome !== 'accepted');
    expect(others.filter((reply) => !('code' in reply && reply.code === 'CONFLICT'))).toEqual([]);
    const counters = Array.from({ length: 5 }, (_, n) => `pair-${n}`);
    const stored = (await Promise.all(counters.map((counter) => service.eventsOf(counter)))).flat();
    expect(new Set(stored.map(({ eventId }) => eventId))).toEqual(new Set(accepted));
    await eventually(async () => {
      const { rows } = await service.admin.query('SELECT FROM governance.outbox WHERE done_at IS NULL');
      const { rows: all } = await service.admin.query('SELECT FROM governance.outbox WHERE causation_id = ANY($1)', [
        accepted,
      ]);
      return rows.length === 0 && all.length === accepted.length;
    });
    const echoes = (await Promise.all(counters.map((counter) => service.eventsOf(`${counter}-echo`)))).flat();
    expect(new Set(echoes.map(({ data }) => (data as { of: string }).of))).toEqual(new Set(accepted));
    expect(echoes).toHaveLength(accepted.length);
  });
});

describe('stop', () => {
  it('answers the commands that were begun, and takes no more', async () => {
    const running = await service.start();
    await service.send('Count', { counter: 'warm' });
    // The append waits for the log's head, so the command is surely in work when the service is told to stop.
    const holder = await service.admin.connect();
    try {
      await holder.query('BEGIN; SELECT FROM es.log_head FOR UPDATE');
      const reply = service.send('Count', { counter: 'draining' });
      await eventually(async () => {
        const { rows } = await service.admin.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rows.length > 0;
      });
      const stopped = service.stop(running);
      await holder.query('COMMIT');
      expect(await reply).toMatchObject({ outcome: 'accepted' });
      await stopped;
    } finally {
      holder.release();
    }
    expect(await service.eventsOf('draining')).toHaveLength(1);
    expect(await service.send('Count', { counter: 'draining' })).toMatchObject({ code: 'UNAVAILABLE' });
  });
});
