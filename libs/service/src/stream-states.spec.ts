import { type AnyDecider, type EventStore, InMemoryEventStore, type StreamId } from '@kontor/event-sourcing';
import { plainData } from '@kontor/event-sourcing/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { v7 as uuidv7 } from 'uuid';
import { StreamStates } from './stream-states.js';

const EVENTS = 5_000;
const STREAM: StreamId = 'default/registry/run/long';

const counter = { initialState: 0, decide: () => [], evolve: (n: number) => n + 1 } as unknown as AnyDecider;

describe('the states of streams', () => {
  let log: InMemoryEventStore;
  let read: number;
  let counting: EventStore;

  const append = (count: number) =>
    log.append({
      commandId: uuidv7(),
      requestHash: new Uint8Array(32),
      actor: 'ada',
      writes: [
        {
          stream: STREAM,
          expected: 'any',
          events: Array.from({ length: count }, () => ({
            eventId: uuidv7(),
            type: 'Counted',
            schemaVersion: 1,
            data: {},
            meta: { correlationId: uuidv7(), actorKind: 'person' as const },
          })),
        },
      ],
    });

  beforeEach(async () => {
    log = new InMemoryEventStore({ now: () => new Date().toISOString() });
    read = 0;
    counting = Object.assign(Object.create(log) as EventStore, {
      async *readStream(stream: StreamId, after?: bigint) {
        for await (const event of log.readStream(stream, after)) {
          read += 1;
          yield event;
        }
      },
    });
    for (let n = 0; n < EVENTS; n += 100) await append(100);
  });

  it('are folded once: a further command on a stream of 5,000 events reads only what is new', async () => {
    const states = new StreamStates(counting, plainData());
    expect(await states.read(STREAM, counter)).toMatchObject({ state: EVENTS, version: BigInt(EVENTS) });
    expect(read).toBe(EVENTS);
    read = 0;
    await append(1);
    expect(await states.read(STREAM, counter)).toMatchObject({ state: EVENTS + 1, version: BigInt(EVENTS + 1) });
    expect(read).toBe(1);
    read = 0;
    await states.read(STREAM, counter);
    expect(read).toBe(0);
  });

  it('are folded from the beginning by whoever has not kept them', async () => {
    await new StreamStates(counting, plainData()).read(STREAM, counter);
    read = 0;
    await new StreamStates(counting, plainData()).read(STREAM, counter);
    expect(read).toBe(EVENTS);
  });
});
