import { eventually, testDatabase, uuidv7 } from '@kontor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LogForked } from './errors.js';
import { type LogFixture, openLog, requests } from './log.fixture.js';
import { type RelayTarget, runRelay } from './relay.js';
import type { RawEvent } from './rows.js';

const { append, event } = requests(uuidv7);

/** Holds events in a chain, as JetStream does with expected sequences: a message that does not follow the tail breaks it. */
class ChainTarget implements RelayTarget {
  readonly held: RawEvent[] = [];
  calls = 0;
  /** Breaks the n-th publish after its first half. */
  breakAt = new Set<number>();

  async tail() {
    const last = this.held.at(-1);
    return last && { position: last.position, eventId: last.eventId };
  }

  async publish(events: readonly RawEvent[]) {
    this.calls += 1;
    const breaks = this.breakAt.has(this.calls);
    for (const one of breaks ? events.slice(0, Math.ceil(events.length / 2)) : events) {
      if (one.position !== (this.held.at(-1)?.position ?? 0n) + 1n) throw new Error('wrong last sequence');
      this.held.push(one);
    }
    if (breaks) throw new Error('connection lost');
  }
}

describe('relay', () => {
  let log: LogFixture;
  beforeAll(async () => {
    log = await openLog(await testDatabase());
    const store = log.store();
    await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        store.append(
          append(
            `default/registry/run/${index % 40}`,
            Array.from({ length: 5 }, () => event('A', { index })),
          ),
        ),
      ),
    );
  });
  afterAll(() => log.close());

  const expectWhole = async (target: ChainTarget) => {
    const { rows } = await log.admin.query<{ pos: string; event_id: string; data: string; meta: string }>(
      'SELECT pos, event_id, data::text AS data, meta::text AS meta FROM es.event ORDER BY pos',
    );
    expect(
      target.held.map(({ position, eventId, data, meta }) => ({ pos: `${position}`, event_id: eventId, data, meta })),
    ).toEqual(rows);
  };

  it('copies every event once and in order although the chain breaks, and reports how far it is', async () => {
    const target = new ChainTarget();
    target.breakAt = new Set([1, 2, 4]);
    const stop = new AbortController();
    const retries: unknown[] = [];
    const running = runRelay({
      pool: log.pool('kontor_registry'),
      target,
      signal: stop.signal,
      onRetry: (error) => retries.push(error),
    });
    await eventually(() => target.held.length === 1500);
    await log.store().append(append('default/registry/run/late', [event('A')]));
    await eventually(async () => {
      const { rows } = await log.admin.query<{ acked_pos: string }>('SELECT acked_pos FROM es.relay');
      return rows[0]?.acked_pos === '1501';
    });
    stop.abort();
    await running;
    expect(retries).toHaveLength(3);
    await expectWhole(target);
  });

  it('lets two relays do no harm', async () => {
    const target = new ChainTarget();
    const stop = new AbortController();
    // Different lock names, so that both publish at once.
    const running = ['a', 'b'].map((name) =>
      runRelay({ pool: log.pool('kontor_registry'), target, signal: stop.signal, name }),
    );
    await eventually(() => target.held.length === 1501);
    stop.abort();
    await Promise.all(running);
    await expectWhole(target);
  });

  it('lets a second relay of the same name wait, and take over when the first ends', async () => {
    const [first, second] = [new ChainTarget(), new ChainTarget()];
    const stops = [new AbortController(), new AbortController()] as const;
    const pool = log.pool('kontor_registry');
    const leading = runRelay({ pool, target: first, signal: stops[0].signal, name: 'one' });
    await eventually(() => first.held.length === 1501);
    const waiting = runRelay({ pool, target: second, signal: stops[1].signal, name: 'one' });
    await eventually(async () => {
      const { rows } = await log.admin.query(
        `SELECT FROM pg_stat_activity WHERE application_name = 'kontor-relay' AND datname = current_database()`,
      );
      return rows.length === 2;
    });
    expect(second.held).toHaveLength(0);
    stops[0].abort();
    await leading;
    await eventually(() => second.held.length === 1501);
    stops[1].abort();
    await waiting;
  });

  it('stops when the target holds another event than the log', async () => {
    const target = new ChainTarget();
    const [foreign] = [uuidv7()];
    target.tail = async () => ({ position: 3n, eventId: foreign });
    const running = runRelay({ pool: log.pool('kontor_registry'), target, signal: new AbortController().signal });
    await expect(running).rejects.toThrow(LogForked);
  });

  it('copies what is far behind by COPY, once and in order, although the chain breaks, and goes on at the head', async () => {
    const store = log.store();
    await Promise.all(
      Array.from({ length: 80 }, (_, index) =>
        store.append(
          append(
            `default/registry/run/far-${index}`,
            Array.from({ length: 100 }, () => event('A', { text: 'Grüße\t\\n\n模型' })),
          ),
        ),
      ),
    );
    const target = new ChainTarget();
    target.breakAt = new Set([3, 6]);
    const stop = new AbortController();
    const running = runRelay({ pool: log.pool('kontor_registry'), target, signal: stop.signal, name: 'far' });
    await eventually(() => target.held.length === 9501);
    await store.append(append('default/registry/run/near', [event('A')]));
    await eventually(() => target.held.length === 9502);
    stop.abort();
    await running;
    await expectWhole(target);
  });
});
