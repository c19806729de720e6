import { createEventStore } from '@kontor/event-store';
import { toMessage } from '@kontor/messaging';
import { eventually, uuidv7 } from '@kontor/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openServiceFixture, type ServiceFixture } from './service.fixture.js';

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

describe('a reaction', () => {
  const checkpoint = async (): Promise<bigint> => {
    const { rows } = await service.admin.query<{ pos: string }>('SELECT pos FROM governance.consumer');
    return BigInt(rows[0]?.pos ?? 0);
  };

  it('happens once although the service restarts and sends its command again', async () => {
    const first = await service.start();
    await service.send('Count', { counter: 'once', then: 'echo' });
    const [cause] = await service.eventsOf('once');
    const [row] = await eventually(async () => {
      const rows = await service.outboxOf(cause?.eventId);
      return rows[0]?.reply ? rows : false;
    });
    await service.stop(first);
    const reached = await checkpoint();
    expect(reached).toBeGreaterThanOrEqual(cause?.position ?? 0n);
    // As after a crash between the append and the note in the outbox.
    await service.admin.query('UPDATE governance.outbox SET done_at = NULL, reply = NULL WHERE causation_id = $1', [
      cause?.eventId,
    ]);
    const second = await service.start();
    const again = await eventually(async () => {
      const rows = await service.outboxOf(cause?.eventId);
      return rows[0]?.reply ? rows : false;
    });
    await service.stop(second);
    expect(again).toEqual([row]);
    expect(await checkpoint()).toBeGreaterThanOrEqual(reached);
    const [echo, ...more] = await service.eventsOf('once-echo');
    expect(more).toEqual([]);
    expect(echo).toMatchObject({
      actor: 'service:governance',
      commandId: row?.command_id,
      meta: { causationId: cause?.eventId, correlationId: cause?.meta.correlationId, actorKind: 'service' },
    });
  });

  it('comes although an event of another context was written by a newer release', async () => {
    await service.start();
    const foreign = createEventStore({ connectionString: service.urlFor('kontor_registry') }, { upcasters: {} });
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
    await service.send('Count', { counter: 'after', then: 'echo' });
    await eventually(async () => (await service.eventsOf('after-echo')).length === 1);
  });

  it('answers what the log holds, and nothing that only JetStream says', async () => {
    const running = await service.start();
    await service.send('Count', { counter: 'true', then: 'echo' });
    const [cause] = await service.eventsOf('true');
    if (!cause) throw new Error('nothing was counted');
    await eventually(async () => (await service.eventsOf('true-echo')).length === 1);
    const forgedId = uuidv7();
    const position = (await service.store.head()) + 1n;
    const forged = {
      ...cause,
      eventId: forgedId,
      position,
      data: JSON.stringify(cause.data),
      meta: JSON.stringify(cause.meta),
    };
    const { headers, data } = toMessage(forged, 'kontor.example/log/0');
    await eventually(async () => {
      const answer = await service.nc.request('$JS.API.STREAM.INFO.KONTOR_EVENTS');
      return BigInt(answer.json<{ state: { last_seq: number } }>().state.last_seq) === position - 1n;
    });
    service.nc.publish('kontor.evt.default.governance.counter.Counted', data, { headers });
    const { body } = await eventually(async () => {
      const answer = await service.readiness(running);
      return answer.status === 503 && answer;
    });
    expect(body).toMatchObject({
      problems: expect.arrayContaining([
        `reactions: JetStream has an event at position ${position} that the log does not have`,
      ]) as unknown,
    });
    expect(await service.outboxOf(forgedId)).toEqual([]);
    await service.stop(running);
    // What the relay asks for when the stream is no copy of the log: the next start makes a new one and fills it.
    await service.nc.request('$JS.API.STREAM.DELETE.KONTOR_EVENTS');
  });

  it('that is rejected stays in the outbox with its reply', async () => {
    await service.start();
    await service.send('Count', { counter: 'unwanted', then: 'refuse' });
    const [cause] = await service.eventsOf('unwanted');
    const rows = await eventually(async () => {
      const found = await service.outboxOf(cause?.eventId);
      return found[0]?.reply ? found : false;
    });
    expect(rows).toMatchObject([{ reply: { outcome: 'rejected', code: 'NOT_WANTED' } }]);
  });

  it('that throws is parked with its reason; its stream waits, others go on, and once it is mended nothing is skipped', async () => {
    service.isBroken = true;
    const broken = await service.start();
    expect(await service.readiness(broken)).toEqual({ status: 200, body: { ok: true, problems: [] } });
    await service.send('Count', { counter: 'thrown', then: 'throw' });
    await service.send('Count', { counter: 'thrown', then: 'echo' });
    await service.send('Count', { counter: 'beside', then: 'echo' });
    const [cause, behind] = await service.eventsOf('thrown');
    await eventually(async () => (await service.eventsOf('beside-echo')).length === 1);
    expect(await checkpoint()).toBeGreaterThan(behind?.position ?? 0n);
    expect(await service.eventsOf('thrown-echo')).toEqual([]);
    const where = `position ${cause?.position} (Counted of default/governance/counter/thrown)`;
    const reason = `the reaction to ${where} failed: this reaction is broken`;
    expect(await service.readiness(broken)).toEqual({
      status: 503,
      body: { ok: false, problems: [`reactions: 2 events are parked, first: ${reason}`] },
    });
    const parked = async () =>
      (await service.admin.query('SELECT position, reason FROM governance.parked WHERE resolved_at IS NULL ORDER BY 1'))
        .rows;
    const waiting = [
      { position: `${cause?.position}`, reason },
      { position: `${behind?.position}`, reason: 'an earlier event of the stream is parked' },
    ];
    expect(await parked()).toEqual(waiting);

    await service.stop(broken);
    const stillBroken = await service.start();
    await eventually(async () => (await service.readiness(stillBroken)).status === 503);
    expect(await parked()).toEqual(waiting);
    await service.stop(stillBroken);

    service.isBroken = false;
    const mended = await service.start();
    await eventually(async () => (await service.eventsOf('thrown-echo')).length === 2);
    expect((await service.eventsOf('thrown-echo')).map(({ meta }) => meta.causationId)).toEqual([
      cause?.eventId,
      behind?.eventId,
    ]);
    expect(await parked()).toEqual([]);
    expect(await service.readiness(mended)).toMatchObject({ status: 200 });
  });

  it.each([
    ['is invalid', 'invalid', { outcome: 'failed', code: 'INVALID', message: 'data: must be whole' }],
    ['fails again and again', 'crash', { outcome: 'failed', code: 'INTERNAL' }],
    ['has no facts', 'unfounded', { code: 'INTERNAL', message: 'adding its facts failed: no facts' }],
  ])(
    'whose command %s has it parked with its reply; later ones go on, and once it is mended none is skipped',
    async (_, then, reply) => {
      service.isBroken = true;
      const broken = await service.start();
      await service.send('Count', { counter: then, then });
      await service.send('Count', { counter: then, then });
      await service.send('Count', { counter: `beside-${then}`, then: 'echo' });
      const causes = await service.eventsOf(then);
      await eventually(async () => (await service.eventsOf(`beside-${then}-echo`)).length === 1);
      expect(await service.eventsOf(`${then}-echo`)).toEqual([]);
      const replies = await Promise.all(causes.map(({ eventId }) => service.outboxOf(eventId)));
      expect(replies).toMatchObject([[{ reply }], [{ reply }]]);
      const where = `EchoIfWhole after position ${causes[0]?.position}`;
      const first = replies[0]?.[0]?.reply;
      const message = first?.outcome === 'failed' && first.message;
      const problems = [`outbox: 2 commands are parked, first: ${where}: ${message}`];
      expect(await service.readiness(broken)).toEqual({ status: 503, body: { ok: false, problems } });
      await service.stop(broken);

      const stillBroken = await service.start();
      await eventually(async () => {
        const { body } = await service.readiness(stillBroken);
        return JSON.stringify(body).includes('2 commands are parked');
      });
      await service.stop(stillBroken);

      service.isBroken = false;
      const mended = await service.start();
      await eventually(async () => (await service.eventsOf(`${then}-echo`)).length === 2);
      expect((await service.eventsOf(`${then}-echo`)).map(({ meta }) => meta.causationId)).toEqual(
        causes.map(({ eventId }) => eventId),
      );
      await eventually(async () => {
        const { rowCount } = await service.admin.query(
          'SELECT FROM governance.outbox WHERE parked_at IS NOT NULL OR done_at IS NULL',
        );
        return rowCount === 0;
      });
      expect(await service.readiness(mended)).toMatchObject({ status: 200 });
    },
  );
});
