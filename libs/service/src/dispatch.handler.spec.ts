import { type Context, InMemoryEventStore } from '@kontor/event-sourcing';
import { plainData } from '@kontor/event-sourcing/testing';
import { beforeEach, expect, it } from 'vitest';
import { counterContext } from './counter.fixture.js';
import { Dispatch, type DispatchRequest } from './dispatch.js';
import { DispatchHandler } from './dispatch.handler.js';
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

const handlerOf = (context: Context) => new DispatchHandler(context, { store, personal: plainData(), log: silent });
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
