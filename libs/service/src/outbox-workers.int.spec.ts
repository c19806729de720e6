import { once } from 'node:events';
import type { AppendRequest, Context, EventStore } from '@kontor/event-sourcing';
import { plainData } from '@kontor/event-sourcing/testing';
import { createEventStore, createPool, type PostgresEventStore } from '@kontor/event-store';
import { eventually, uuidv7 } from '@kontor/testing';
import type { CommandBus } from '@nestjs/cqrs';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { counterContext } from './counter.fixture.js';
import type { Dispatch } from './dispatch.js';
import { DispatchHandler } from './dispatch.handler.js';
import { Dispatcher } from './dispatcher.js';
import type { Log } from './log.js';
import { ReactionsConsumer } from './reactions.consumer.js';
import { openServiceFixture, type ServiceFixture } from './service.fixture.js';

const log: Log = { info: () => undefined, error: () => undefined };
const context = counterContext(() => false);

let service: ServiceFixture;
let pool: pg.Pool;
let store: PostgresEventStore;
beforeAll(async () => {
  service = await openServiceFixture();
  pool = createPool({ connectionString: service.urlFor('kontor_governance') });
  store = createEventStore(pool, { upcasters: {} });
});
afterAll(async () => {
  await store.close();
  await pool.end();
  await service.close();
});

/** Where a worker waits until it is let go on. */
class Gate {
  #open: () => void = () => undefined;
  #arrive: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => (this.#open = resolve));
  readonly arrived = new Promise<void>((resolve) => (this.#arrive = resolve));

  open(): void {
    this.#open();
  }

  async pass(): Promise<void> {
    this.#arrive();
    await this.#opened;
  }
}

type Place = 'its facts' | 'its decision' | 'its look at the row' | 'its answer';

/** How often a worker has asked how far the log is. */
let looks = 0;

/** A host's worker; nothing comes from the log, so it does only what waits in the outbox. */
const workerOf = (held: { readonly at: Place; readonly gate: Gate } | undefined, of: Context = context) => {
  const passing = (at: Place) => (held?.at === at ? held.gate.pass() : Promise.resolve());
  const append = async (request: AppendRequest) => {
    await passing('its look at the row');
    return store.append(request);
  };
  const slow: EventStore = {
    append,
    findCommand: (commandId) => store.findCommand(commandId),
    readStream: (stream, after) => store.readStream(stream, after),
    readAll: (after, options) => store.readAll(after, options),
    head: () => store.head(),
  };
  const handler = new DispatchHandler(context, { store: slow, personal: plainData(), log });
  const bus = {
    execute: async ({ request }: Dispatch) => {
      const isWanted = async () => {
        await passing('its decision');
        return (await request.isWanted?.()) ?? true;
      };
      const reply = await handler.execute({ request: { ...request, isWanted } } as Dispatch);
      await passing('its answer');
      return reply;
    },
  };
  return new ReactionsConsumer({
    ...{ pool, schema: 'governance', context: of, log },
    dispatcher: new Dispatcher(bus as unknown as CommandBus, 'governance'),
    enrich: {
      EchoIfEven: async ({ data }) => {
        await passing('its facts');
        return data;
      },
    },
    feed: async function* (_, signal) {
      yield [];
      await once(signal, 'abort');
    },
    head: async () => {
      const head = await store.head();
      looks += 1;
      return head;
    },
    recorded: () => Promise.resolve(undefined),
  });
};

/** A client's way to count. */
const counting = (counter: string) => {
  const handler = new DispatchHandler(context, { store, personal: plainData(), log });
  const client = new Dispatcher(handler as unknown as CommandBus, 'governance');
  return () => client.dispatch({ type: 'Count', data: { counter }, workspace: 'default' });
};

/** Puts an `EchoIfEven` into the outbox. @returns its cause */
const waiting = async (counter: string): Promise<string> => {
  const cause = uuidv7();
  await service.admin.query(
    `INSERT INTO governance.outbox (position, ordinal, workspace, command_id, type, data, correlation_id, causation_id)
     SELECT coalesce(max(position), 0) + 1, 0, 'default', $1, 'EchoIfEven', $2, $1, $3 FROM governance.outbox`,
    [uuidv7(), JSON.stringify({ counter, of: 'the cause' }), cause],
  );
  return cause;
};

const isNoted = (cause: string) =>
  eventually(async () => typeof (await service.outboxOf(cause))[0]?.reply?.outcome === 'string');

const refused = { outcome: 'rejected', code: 'NOT_WANTED' };

it.each(['its facts', 'its decision', 'its look at the row'] as const)(
  'a worker that stalls after %s does not carry out what another has seen refused since',
  async (at) => {
    const counter = `held-after-${at.replaceAll(' ', '-')}`;
    const count = counting(counter);
    const gate = new Gate();
    const [stalled, other] = [workerOf({ at, gate }), workerOf(undefined)];
    await stalled.start();
    const cause = await waiting(counter);
    try {
      await gate.arrived;
      expect(await count()).toMatchObject({ outcome: 'accepted', version: '1' });
      await other.start();
      await isNoted(cause);
      expect(await service.outboxOf(cause)).toMatchObject([{ reply: refused }]);
      expect(await count()).toMatchObject({ outcome: 'accepted', version: '2' });
    } finally {
      gate.open();
      await Promise.all([stalled.stop(), other.stop()]);
    }
    expect((await service.eventsOf(counter)).map(({ type, data }) => [type, data])).toEqual([
      ['Counted', { counter, n: 1 }],
      ['Counted', { counter, n: 2 }],
    ]);
    expect(await service.outboxOf(cause)).toMatchObject([{ reply: refused }]);
  },
);

it('a worker that stalls after its answer does not replace the one that another has noted since', async () => {
  const counter = 'held-after-its-answer';
  const count = counting(counter);
  const gate = new Gate();
  const [stalled, other] = [workerOf({ at: 'its answer', gate }), workerOf(undefined)];
  expect(await count()).toMatchObject({ outcome: 'accepted', version: '1' });
  await stalled.start();
  const cause = await waiting(counter);
  const accepted = { outcome: 'accepted', version: '3' };
  try {
    await gate.arrived;
    expect(await count()).toMatchObject({ outcome: 'accepted', version: '2' });
    await other.start();
    await isNoted(cause);
    expect(await service.outboxOf(cause)).toMatchObject([{ reply: accepted }]);
  } finally {
    gate.open();
    await Promise.all([stalled.stop(), other.stop()]);
  }
  expect(await service.outboxOf(cause)).toMatchObject([{ reply: accepted }]);
});

it('a worker of a context without reactions reads no event, and says once that it has passed them all', async () => {
  const count = counting('unanswered');
  const worker = workerOf(undefined, { ...context, reactions: { canHandle: [], react: () => [] } });
  await worker.start();
  for (let passed = 0; passed < 2; passed += 1) {
    await count();
    const head = await store.head();
    await eventually(async () => {
      const { rows } = await pool.query<{ pos: string }>('SELECT pos FROM governance.consumer');
      return rows[0]?.pos === String(head);
    });
  }
  const written = async () => (await pool.query<{ xmin: string }>('SELECT xmin FROM governance.consumer')).rows;
  const [before, looksBefore] = [await written(), looks];
  await eventually(() => Promise.resolve(looks >= looksBefore + 2));
  expect(await written()).toEqual(before);
  await worker.stop();
  expect(worker.problem).toBeUndefined();
});
