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

  const append = (count: number, { stream = STREAM, key }: { stream?: StreamId; key?: string } = {}) =>
    log.append({
      commandId: uuidv7(),
      requestHash: new Uint8Array(32),
      actor: 'ada',
      writes: [
        {
          stream,
          expected: 'any',
          events: Array.from({ length: count }, () => ({
            eventId: uuidv7(),
            type: 'Counted',
            schemaVersion: 1,
            data: key === undefined ? {} : { by: { $enc: { k: key, iv: '', ct: '' } } },
            meta: {
              correlationId: uuidv7(),
              actorKind: 'person' as const,
              ...(key !== undefined && { encrypted: ['/by'] }),
            },
          })),
        },
      ],
    });

  beforeEach(async () => {
    log = new InMemoryEventStore({ now: () => new Date().toISOString(), upcasters: {} });
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

  it('are dropped with the keys of what they were folded from, and with no others', async () => {
    const [hers, his]: readonly [StreamId, StreamId] = ['default/registry/run/hers', 'default/registry/run/his'];
    await append(2, { stream: hers, key: 'ada/1' });
    await append(2, { stream: his, key: 'carl/1' });
    await append(1, { stream: his, key: 'carl/2' });
    const states = new StreamStates(counting, plainData());
    const readAgain = async (stream: StreamId): Promise<number> => {
      read = 0;
      await states.read(stream, counter);
      return read;
    };
    for (const stream of [STREAM, hers, his]) await states.read(stream, counter);
    states.forgetPersonal(new Set(['ada/1', 'eve/1']));
    expect([await readAgain(STREAM), await readAgain(hers), await readAgain(his)]).toEqual([0, 2, 0]);
    states.forgetPersonal(new Set(['carl/1']));
    expect([await readAgain(STREAM), await readAgain(hers), await readAgain(his)]).toEqual([0, 0, 3]);
    states.forgetPersonal();
    expect([await readAgain(STREAM), await readAgain(hers), await readAgain(his)]).toEqual([0, 2, 3]);
  });

  it('are kept when a key of others was forgotten before they grew, and as they were when it was meanwhile', async () => {
    const hers: StreamId = 'default/registry/run/hers';
    await append(100, { stream: hers, key: 'ada/1' });
    const states = new StreamStates(counting, plainData());
    const grow = async (whileItGrows: () => void): Promise<number> => {
      const { seen } = states.expected(hers, counter);
      whileItGrows();
      await append(1, { stream: hers, key: 'ada/1' });
      states.keep(hers, { ...seen, state: Number(seen.state) + 1, version: seen.version + 1n });
      read = 0;
      await states.read(hers, counter);
      return read;
    };
    await states.read(hers, counter);
    states.forgetPersonal(new Set(['eve/1']));
    expect(await grow(() => undefined)).toBe(0);
    expect(await grow(() => states.forgetPersonal(new Set(['eve/2'])))).toBe(1);
    expect(await grow(() => states.forgetPersonal(new Set(['ada/1'])))).toBe(103);
  });

  it('are not kept if a key was forgotten while they were folded', async () => {
    const hers: StreamId = 'default/registry/run/hers';
    await append(2, { stream: hers, key: 'ada/1' });
    const states = new StreamStates(counting, {
      ...plainData(),
      open: (_, value) => {
        if (read === 2) states.forgetPersonal(new Set(['ada/1']));
        return Promise.resolve(value);
      },
    });
    for (const expected of [2, 2]) {
      read = 0;
      await states.read(hers, counter);
      expect(read).toBe(expected);
    }
  });
});
