import {
  type Command,
  type Context,
  type EventStore,
  InMemoryEventStore,
  type Joint,
  reject,
} from '@kontor/event-sourcing';
import { plainData } from '@kontor/event-sourcing/testing';
import { eventually } from '@kontor/testing';
import { setImmediate as pause } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { counterContext, counterStream } from './counter.fixture.js';
import { Dispatch, type DispatchRequest } from './dispatch.js';
import { DispatchHandler, type DispatchParts, type FindFacts } from './dispatch.handler.js';
import type { Log } from './log.js';

const NOW = '2025-06-12T12:00:00.000Z';
const COMMAND_ID = '01976421-5800-7000-8000-000000000001';
const silent: Log = { info: () => undefined, error: () => undefined };

const request = (type: string, data: unknown, more: Partial<DispatchRequest> = {}): DispatchRequest => ({
  type,
  data,
  metadata: {
    commandId: COMMAND_ID,
    workspace: 'default',
    actor: { id: 'ada', kind: 'person', roles: [] },
    now: NOW,
    correlationId: '01976421-5800-7000-8000-000000000002',
  },
  ...more,
});

let store: InMemoryEventStore;
beforeEach(() => {
  store = new InMemoryEventStore({ now: () => NOW });
});

const handlerOf = (context: Context, more: Partial<DispatchParts> = {}) =>
  new DispatchHandler(context, { store, personal: plainData(), log: silent, ...more });
const counting = counterContext(() => false);

/** A context where a counter is counted once: after that it is refused, or nothing. */
const once = (second: 'refused' | 'nothing'): Context => {
  const { Count } = counting.routes;
  if (!Count) throw new Error('the fixture has no Count');
  const decide: typeof Count.decider.decide = (command, state) => {
    if (state === 0) return Count.decider.decide(command, state);
    return second === 'refused' ? { rejection: { code: 'NOT_WANTED', details: {} } } : [];
  };
  return { ...counting, routes: { ...counting.routes, Count: { ...Count, decider: { ...Count.decider, decide } } } };
};

it.each(['refused', 'nothing'] as const)(
  'gives a command that came twice at once its one answer, also where the second is %s',
  async (second) => {
    const [a, b] = [handlerOf(once(second)), handlerOf(once(second))];
    const sent = new Dispatch(request('Count', { counter: 'c' }));
    const replies = await Promise.all([a.execute(sent), a.execute(sent), b.execute(sent)]);
    expect(replies[0]).toMatchObject({ outcome: 'accepted', position: '1', version: '1' });
    expect(replies).toEqual([replies[0], replies[0], replies[0]]);
    expect(await store.head()).toBe(1n);
  },
);

it('knows a command again whose facts are others than at its first coming', async () => {
  const handler = handlerOf(counting);
  const asked = { counter: 'c', of: 'nobody knows yet' };
  const coming = (fact: string) => new Dispatch(request('Echo', { counter: 'c', of: fact }, { asked }));
  const first = await handler.execute(coming('the first'));
  expect(first).toMatchObject({ outcome: 'accepted', position: '1' });
  expect(await handler.execute(coming('the second'))).toEqual(first);
});

describe('a command on a stream that the handler has written', () => {
  const watching = (log: InMemoryEventStore) => {
    const looks = { streams: 0, commands: 0 };
    const watched: EventStore = {
      append: (appended) => log.append(appended),
      readAll: (after, options) => log.readAll(after, options),
      head: () => log.head(),
      readStream: (stream, after) => {
        looks.streams += 1;
        return log.readStream(stream, after);
      },
      findCommand: (id) => {
        looks.commands += 1;
        return log.findCommand(id);
      },
    };
    return { looks, watched };
  };
  let ids = 0;
  const next = (type = 'Count', data: object = { counter: 'c' }): Dispatch => {
    ids += 1;
    const commandId = `01976421-5800-7000-8000-${String(ids).padStart(12, '0')}`;
    const { metadata } = request(type, data);
    return new Dispatch(request(type, data, { metadata: { ...metadata, commandId } }));
  };

  it('looks at nothing for a yes', async () => {
    const { looks, watched } = watching(store);
    const handler = new DispatchHandler(counting, { store: watched, personal: plainData(), log: silent });
    for (let version = 1; version <= 3; version += 1)
      expect(await handler.execute(next())).toMatchObject({ outcome: 'accepted', version: String(version) });
    expect(looks).toEqual({ streams: 0, commands: 0 });
  });

  it('is decided again on what another process wrote meanwhile', async () => {
    const [a, b] = [handlerOf(counting), handlerOf(counting)];
    await a.execute(next());
    await b.execute(next());
    expect(await a.execute(next())).toMatchObject({ outcome: 'accepted', version: '3' });
  });

  /** A log whose appends wait, in order, until they are let go. */
  const held = (log: InMemoryEventStore) => {
    const waiting: (() => void)[] = [];
    const { watched } = watching(log);
    const append: EventStore['append'] = async (appended) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return log.append(appended);
    };
    const letGo = (): void => waiting.splice(0).forEach((go) => go());
    return { slow: { ...watched, append }, waiting, letGo };
  };
  /** What the counter's events say they counted: each number once, in order, whoever decided them. */
  const counts = async (): Promise<readonly unknown[]> => {
    const found: unknown[] = [];
    for await (const { data } of store.readStream(counterStream('c'))) found.push((data as { n: number }).n);
    return found;
  };

  it('is decided on one that is under way, and travels with it', async () => {
    const { slow, waiting, letGo } = held(store);
    const handler = handlerOf(counting, { store: slow });
    const first = handler.execute(next());
    await eventually(async () => waiting.length === 1); // the one that begins the stream travels alone
    letGo();
    await first;
    const sent = Array.from({ length: 5 }, () => handler.execute(next()));
    await eventually(async () => waiting.length === 5);
    letGo();
    expect((await Promise.all(sent)).map((reply) => 'version' in reply && reply.version)).toEqual([...'23456']);
    expect(await counts()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('travels with others that write a second stream as well, be it the same one, and lets what writes that one alone wait', async () => {
    const { Count, Echo } = counting.routes;
    if (!Count || !Echo) throw new Error('the fixture has no Count or no Echo');
    const joint = ({ data, metadata }: Command): Joint => {
      const { of } = data as { readonly of: string };
      const command = (): Command => ({ type: 'Count', data: { counter: of }, metadata });
      return { decider: Count.decider, stream: counterStream(of), command };
    };
    const both: Context = { ...counting, routes: { ...counting.routes, Echo: { ...Echo, joint } } };
    for (const counter of ['c', 'a', 'b']) await handlerOf(counting).execute(next('Count', { counter }));
    const { slow, waiting, letGo } = held(store);
    const handler = handlerOf(both, { store: slow });
    // This handler believes in no stream yet.
    for (const learnt of ['a', 'b'].map((of) => handler.execute(next('Echo', { counter: 'c', of }))))
      for (let done = false; !done; done = await Promise.race([learnt.then(() => true), pause().then(() => false)]))
        letGo();
    const sent = ['a', 'b', 'a'].map((of) => handler.execute(next('Echo', { counter: 'c', of })));
    await eventually(async () => waiting.length === 3);
    const alone = handler.execute(next('Count', { counter: 'a' }));
    for (let turns = 0; turns < 10; turns += 1) await pause();
    expect(waiting.length).toBe(3);
    letGo();
    expect((await Promise.all(sent)).map((reply) => 'version' in reply && reply.version)).toEqual([...'456']);
    await eventually(async () => waiting.length === 1);
    letGo();
    expect(await alone).toMatchObject({ outcome: 'accepted', version: '5' });
    const streams: string[] = [];
    for await (const { streamId, version } of store.readAll(7n)) streams.push(`${streamId.at(-1)}${version}`);
    expect(streams).toEqual(['a3', 'c4', 'b3', 'c5', 'a4', 'c6', 'a5']);
  });

  it('is decided again if the one that it was decided on was not written, also where its version is right', async () => {
    const { slow, waiting, letGo } = held(store);
    const handler = handlerOf(counting, { store: slow });
    const other = handlerOf(counting);
    await other.execute(next());
    const learnt = handler.execute(next()); // refused: this handler believes in no stream yet
    await eventually(async () => waiting.length === 1);
    letGo();
    await eventually(async () => waiting.length === 1);
    letGo();
    await learnt;
    const sent = Array.from({ length: 3 }, () => handler.execute(next()));
    await eventually(async () => waiting.length === 3);
    await other.execute(next());
    letGo();
    const settled = Promise.all(sent);
    for (let done = false; !done; done = await Promise.race([settled.then(() => true), pause().then(() => false)]))
      letGo();
    for (const reply of await settled) expect(reply).toMatchObject({ outcome: 'accepted' });
    expect(await counts()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('is refused by the present state alone', async () => {
    const allowed = once('refused');
    const [a, b] = [handlerOf(allowed), handlerOf(allowed)];
    expect(await a.execute(next())).toMatchObject({ outcome: 'accepted' });
    // The other handler has never seen the stream: what it keeps says yes, and the log says no.
    expect(await b.execute(next())).toMatchObject({ outcome: 'rejected', code: 'NOT_WANTED' });
  });

  it('is refused by the present state before a taken name refuses it', async () => {
    const { routes } = once('refused');
    const { Count, TakeName } = routes;
    if (!Count || !TakeName) throw new Error('the fixture has no Count or no TakeName');
    const named = { ...counting, routes: { ...routes, TakeName: { ...TakeName, decider: Count.decider } } };
    const [a, b] = [handlerOf(named), handlerOf(named)];
    expect(await a.execute(next('TakeName', { counter: 'd', name: 'n' }))).toMatchObject({ outcome: 'accepted' });
    expect(await a.execute(next())).toMatchObject({ outcome: 'accepted' });
    const reply = await b.execute(next('TakeName', { counter: 'c', name: 'n' }));
    expect(reply).toMatchObject({ outcome: 'rejected', code: 'NOT_WANTED' });
  });

  it('is refused where the stream would grow past what may be folded, and known again all the same', async () => {
    const [handler, other] = [handlerOf(counting, { maxStreamEvents: 2 }), handlerOf(counting, { maxStreamEvents: 2 })];
    const [first, last, over] = [next(), next(), next()];
    const answer = await handler.execute(first);
    expect(await handler.execute(last)).toMatchObject({ outcome: 'accepted', version: '2' });
    const full = {
      outcome: 'rejected',
      code: 'STREAM_FULL',
      message: 'The stream default/governance/counter/c would hold 3 events; 2 are allowed: go on in a new one.',
      details: { stream: 'default/governance/counter/c', events: 3, allowed: 2 },
    };
    expect(await handler.execute(over)).toEqual(full);
    // The other has seen nothing of the stream: the log tells it.
    expect(await other.execute(over)).toEqual(full);
    expect(await handler.execute(first)).toEqual(answer);
    expect(await store.head()).toBe(2n);
  });

  it('says once that the stream has become long', async () => {
    const said: unknown[] = [];
    const log: Log = { ...silent, info: (message, fields) => void said.push([message, fields]) };
    const events = Array.from({ length: 4_998 }, (_, n) => ({
      eventId: `01976421-5800-7000-9000-${String(n).padStart(12, '0')}`,
      ...{ type: 'Counted', schemaVersion: 1, data: { counter: 'c', n } },
      meta: { correlationId: '01976421-5800-7000-8000-000000000002', actorKind: 'person' as const },
    }));
    const stream = 'default/governance/counter/c' as const;
    const writes = [{ stream, expected: 'none' as const, events }];
    await store.append({ commandId: COMMAND_ID, requestHash: new Uint8Array(32), actor: 'ada', writes });
    const handler = handlerOf(counting, { log });
    for (let n = 0; n < 3; n += 1) expect(await handler.execute(next())).toMatchObject({ outcome: 'accepted' });
    expect(said).toEqual([['a stream has become long', { stream, events: '5000', allowed: 1_000_000 }]]);
  });

  it('is not written once somebody else has answered it, however late that turns out', async () => {
    const [slow, other] = [handlerOf(counting), handlerOf(counting)];
    let asked = 0;
    // While this worker stands still before its append, another host answers the command and goes on with the stream.
    const isWanted = async () => {
      asked += 1;
      if (asked > 1) return false;
      await other.execute(next());
      return true;
    };
    const reply = await slow.execute(new Dispatch({ ...next().request, isWanted }));
    expect(reply).toMatchObject({ outcome: 'rejected', code: 'NO_LONGER_WANTED' });
    expect(asked).toBe(2);
    expect(await store.head()).toBe(1n);
  });

  it('repeats its events if it is asked to, also when it comes again', async () => {
    const handler = handlerOf(counting);
    const sent = new Dispatch({ ...next().request, wantsEvents: true });
    const first = await handler.execute(sent);
    expect(first).toMatchObject({ events: [{ type: 'Counted', recordedAt: NOW }] });
    expect(await handler.execute(sent)).toEqual(first);
  });
});

it('appends nothing when what must happen first is refused, and answers with the reason', async () => {
  const beforeAppend = () => Promise.resolve(reject('NOT_WANTED', { by: 'others' }));
  const reply = await handlerOf(counting, { beforeAppend }).execute(new Dispatch(request('Count', { counter: 'c' })));
  expect(reply).toMatchObject({ outcome: 'rejected', code: 'NOT_WANTED', details: { by: 'others' } });
  expect(await store.head()).toBe(0n);
});

describe('facts that a command rests on', () => {
  const sent = (counter: string, commandId: string) =>
    new Dispatch({
      ...request('Echo', { counter, of: 'nobody says' }, { wantsEvents: true }),
      metadata: { ...request('Echo', {}).metadata, commandId },
    });
  const other = counterStream('other');
  const count: FindFacts = async (_, read) => {
    const { state, version } = await read(other, { initialState: 0, evolve: (n: number) => n + 1 });
    return {
      data: { of: `${state} counted` },
      guards: [{ stream: other, expected: version === 0n ? 'none' : version }],
    };
  };
  const id = (n: number) => `01976421-5800-7000-8000-00000000010${n}`;

  it('are read from the log, and again if a stream that they name moves before the append', async () => {
    let meanwhile: (() => Promise<unknown>) | undefined;
    const raced: EventStore = {
      append: async (appended) => {
        const first = meanwhile;
        meanwhile = undefined;
        await first?.();
        return store.append(appended);
      },
      readAll: (after, options) => store.readAll(after, options),
      readStream: (stream, after) => store.readStream(stream, after),
      head: () => store.head(),
      findCommand: (commandId) => store.findCommand(commandId),
    };
    let events = 0;
    const newId = () => `01976421-5800-7000-8000-0000000002${String((events += 1)).padStart(2, '0')}`;
    const machine = { pause: () => Promise.resolve(), newId };
    const handler = handlerOf(counting, { store: raced, facts: { Echo: count }, machine });
    const said = async (n: number) => {
      const reply = await handler.execute(sent('c', id(n)));
      return reply.outcome === 'accepted' && reply.events?.map(({ data }) => (data as { of: string }).of);
    };
    expect(await said(1)).toEqual(['0 counted']);
    const elsewhere = handlerOf(counting, { machine });
    meanwhile = () => elsewhere.execute(sent('other', id(2)));
    expect(await said(3)).toEqual(['1 counted']);
    expect(await said(4)).toEqual(['1 counted']);
  });
});

it('says what a command would record, and records nothing', async () => {
  const handler = handlerOf(counting);
  const dry = request('Count', { counter: 'c' }, { dryRun: true });
  const counted = { type: 'Counted', data: { counter: 'c', n: 1 }, recordedAt: NOW };
  const preview = { outcome: 'accepted', position: '0', version: '0', eventIds: [], events: [counted] };
  expect(await handler.execute(new Dispatch(dry))).toEqual(preview);
  expect(await store.head()).toBe(0n);
  expect(await handler.execute(new Dispatch(request('Count', { counter: 'c' })))).toMatchObject({ position: '1' });
});

it('tells the sender of a refusal that is recorded, also when it is sent again', async () => {
  const refusals = { Counted: (data: unknown) => ({ code: 'NOT_WANTED', details: data as { n: number } }) };
  const handler = handlerOf({ ...counting, refusals });
  const refused = { outcome: 'rejected', code: 'NOT_WANTED', details: { counter: 'c', n: 1 } };
  for (const dryRun of [true, false, false]) {
    expect(await handler.execute(new Dispatch(request('Count', { counter: 'c' }, { dryRun })))).toMatchObject(refused);
  }
  expect(await store.head()).toBe(1n);
});
