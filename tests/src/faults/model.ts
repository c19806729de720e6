// T25: whatever sequence of appends, retries, reads and lost sessions: the log behaves as a list per stream does.
import { createEventStore } from '@kontor/event-store';
import { uuidv7 } from '@kontor/testing';
import fc from 'fast-check';
import type { AppendRequest, AppendResult, EventStore } from '@kontor/event-sourcing';
import type pg from 'pg';
import { readLog } from './final-state.js';
import { report, type Scenario } from './stage.js';
import { check } from './checker.js';

/** The naive log: event ids per stream, and what each accepted command was answered. */
interface Model {
  readonly streams: Map<number, string[]>;
  readonly accepted: { readonly request: AppendRequest; readonly answer: AppendResult }[];
}

interface Real {
  readonly store: EventStore;
  readonly admin: pg.Pool;
  /** Of this run alone. */
  readonly prefix: string;
}

const expectSame = (what: string, got: unknown, wanted: unknown): void => {
  const text = (value: unknown) =>
    JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? Number(one) : one));
  if (text(got) !== text(wanted)) throw new Error(`${what}: got ${text(got)}, the model says ${text(wanted)}`);
};

/** Ends the session that appends, as a fail-over does, at whatever moment. */
const loseSession = async (admin: pg.Pool): Promise<void> => {
  await admin.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kontor-append' AND datname = current_database()`,
  );
};

type Step = fc.AsyncCommand<Model, Real>;
const always = () => true;

const append = (stream: number, events: number, off: number, isLosing: boolean): Step => ({
  check: always,
  toString: () =>
    `append(stream ${stream}, ${events} events, version ${off === 0 ? 'right' : `off by ${off}`}${isLosing ? ', session lost' : ''})`,
  run: async ({ streams, accepted }, { store, admin, prefix }) => {
    const held = streams.get(stream) ?? [];
    const version = held.length + off;
    const ids = Array.from({ length: events }, uuidv7);
    const request: AppendRequest = {
      commandId: uuidv7(),
      requestHash: new Uint8Array(32),
      actor: 'ada',
      writes: [
        {
          stream: `${prefix}-${stream}`,
          expected: version === 0 ? 'none' : BigInt(version),
          events: ids.map((eventId) => ({
            eventId,
            type: 'Counted',
            schemaVersion: 1,
            data: {},
            meta: { correlationId: eventId, actorKind: 'person' },
          })),
        },
      ],
    };
    const [answer] = await Promise.all([store.append(request), isLosing ? loseSession(admin) : undefined]);
    if (off !== 0) return expectSame('a wrong version', answer, { outcome: 'conflict', versions: [held.length] });
    streams.set(stream, [...held, ...ids]);
    // After a lost session the store sends the same ids again, and may hear `replayed`.
    if (answer.outcome !== 'appended' && !(isLosing && answer.outcome === 'replayed'))
      throw new Error(`the append answered ${answer.outcome}`);
    expectSame('the new version', answer.versions, [held.length + events]);
    accepted.push({ request, answer });
  },
});

const retry = (index: number, isOther: boolean): Step => ({
  check: ({ accepted }) => accepted.length > 0,
  toString: () => `retry(${index}${isOther ? ', other content' : ''})`,
  run: async ({ accepted }, { store }) => {
    const { request, answer } = accepted[index % accepted.length] as Model['accepted'][number];
    const again = await store.append(isOther ? { ...request, requestHash: new Uint8Array(32).fill(1) } : request);
    expectSame('a retry', again, isOther ? { outcome: 'key_reused' } : { ...answer, outcome: 'replayed' });
  },
});

const read = (stream: number, after: number): Step => ({
  check: always,
  toString: () => `read(stream ${stream} after ${after})`,
  run: async ({ streams }, { store, prefix }) => {
    const got: [string, bigint][] = [];
    for await (const { eventId, version } of store.readStream(`${prefix}-${stream}`, BigInt(after)))
      got.push([eventId, version]);
    const held = streams.get(stream) ?? [];
    expectSame('a read', got, held.map((id, index) => [id, BigInt(index + 1)] as const).slice(after));
  },
});

const stream = fc.nat(2);
const steps = fc.commands(
  [
    fc.tuple(stream, fc.integer({ min: 1, max: 4 })).map(([name, events]) => append(name, events, 0, false)),
    fc.tuple(stream, fc.integer({ min: 1, max: 3 })).map(([name, off]) => append(name, 1, off, false)),
    stream.map((name) => append(name, 2, 0, true)),
    fc.tuple(fc.nat(20), fc.boolean()).map(([index, isOther]) => retry(index, isOther)),
    fc.tuple(stream, fc.nat(5)).map(([name, after]) => read(name, after)),
  ],
  { maxCommands: 12 },
);

export const modelBased: Scenario = {
  name: 'T25',
  title: 'model-based',
  run: async (stage) => {
    const numRuns = stage.isShort ? 40 : 1_000;
    const log = await stage.log();
    const store = createEventStore({ connectionString: log.urlFor('kontor_registry') }, { upcasters: {} });
    stage.defer(() => store.close());
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (commands) => {
        const prefix = `default/registry/run/${(runs += 1)}`;
        await fc.asyncModelRun(
          () => ({ model: { streams: new Map(), accepted: [] }, real: { store, admin: log.admin, prefix } }),
          commands,
        );
      }),
      { seed: stage.seed, numRuns },
    );
    // What was sent stands in the model and not in a history, so only the rows are held against each other here.
    const { violations, ...counts } = check({ history: [], log: await readLog(log.admin) });
    const ofRows = violations.filter((violation) => /^I[3458]:/.test(violation));
    return report(`${runs} runs without counter-example`, { ...counts, violations: ofRows });
  },
};
