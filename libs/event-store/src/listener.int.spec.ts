// A session that is closed while it is still being opened: pg's `connect()` is then never settled, and whoever waited
// for it waited for ever. A process that stopped right after its start hung on this.
import { testDatabase } from '@kontor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Listener } from './listener.js';
import { type LogFixture, openLog } from './log.fixture.js';
import { tailLog } from './log-tail.js';

describe('a listener', () => {
  let log: LogFixture;
  beforeAll(async () => {
    log = await openLog(await testDatabase());
  });
  afterAll(() => log.close());

  it('closes while its session is being opened, at any moment of that', async () => {
    for (let moment = 0; moment < 30; moment += 1) {
      const listener = new Listener({ connectionString: log.urlFor('kontor_gateway') }, 'es_head');
      for (let turn = 0; turn < moment; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await listener.close();
    }
  });

  it('ends the tail of an empty log whose signal aborts at once', async () => {
    const stop = new AbortController();
    const tail = tailLog({ pool: log.pool('kontor_gateway'), after: 0n, upcasters: {}, signal: stop.signal });
    const first = tail.next();
    stop.abort();
    expect(await first).toEqual({ done: true, value: undefined });
  });
});
