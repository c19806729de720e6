import { contexts } from '@kontor/domain/contexts';
import type { AppendRequest, AppendResult, EventStore, RecordedEvent } from '@kontor/event-sourcing';
import { expect, it } from 'vitest';
import { FAILED_SEEDS } from './failed-seeds.js';
import { type OutboxRow, Reactor } from './reactor.js';
import { type Replaced, simulate } from './simulate.js';

const seedsFrom = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

it.each([...new Set([...FAILED_SEEDS, ...seedsFrom(1, 50)])])('seed %i holds', async (seed) => {
  const { violations } = await simulate(seed);
  expect(violations, `npm run sim -- ${seed}`).toEqual([]);
});

it('does the same for the same seed, to the byte, and something else for another', async () => {
  const [first, again, other] = [await simulate(4711), await simulate(4711), await simulate(4712)];
  expect(again.trace).toEqual(first.trace);
  expect(again.digest).toBe(first.digest);
  expect(other.digest).not.toBe(first.digest);
});

/** A log that changes what it is asked to append. */
const asking =
  (change: (request: AppendRequest) => AppendRequest) =>
  (log: EventStore): EventStore => ({
    append: (request) => log.append(change(request)),
    findCommand: (commandId) => log.findCommand(commandId),
    readStream: (stream, after) => log.readStream(stream, after),
    readAll: (after, options) => log.readAll(after, options),
    head: () => log.head(),
  });

/** Never knows a command again. */
const forgetful = (log: EventStore): EventStore => {
  let copies = 0;
  const copyOf = (commandId: string): string => `${commandId.slice(0, 24)}${String((copies += 1)).padStart(12, '0')}`;
  const commandIds = new Map<string, string>();
  const read = async function* (events: AsyncIterable<RecordedEvent>) {
    for await (const event of events) yield { ...event, commandId: commandIds.get(event.commandId) ?? event.commandId };
  };
  return {
    ...asking((request) => {
      const commandId = copyOf(request.commandId);
      commandIds.set(commandId, request.commandId);
      const writes = request.writes.map((write) => ({ ...write, expected: 'any' as const }));
      return { ...request, commandId, writes };
    })(log),
    findCommand: async () => undefined,
    readAll: (after, options) => read(log.readAll(after, options)),
  };
};

/** Says that it has appended, now and then, before it has; and then has not. */
const hasty = (log: EventStore): EventStore => {
  let appends = 0;
  const pretend = async (request: AppendRequest): Promise<AppendResult> => {
    const position = (await log.head()) + 1n;
    const versions = request.writes.map(() => 1n);
    return { outcome: 'appended', firstPosition: position, lastPosition: position, versions, recordedAt: '' };
  };
  const same = asking((request) => request)(log);
  return { ...same, append: (request) => ((appends += 1) % 40 === 0 ? pretend(request) : log.append(request)) };
};

class CheckpointFirst extends Reactor {
  protected override async commit(effect: () => void, checkpoint: () => void): Promise<void> {
    checkpoint();
    await this.parts.process.step();
    effect();
  }
}

class EffectFirst extends Reactor {
  protected override async commit(effect: () => void, checkpoint: () => void): Promise<void> {
    effect();
    await this.parts.process.step();
    checkpoint();
  }
}

const SLOW_MS = 60_000;

/** Its workers take their time between a decision and the look whether another has seen the command refused. */
class Slow extends Reactor {
  protected override async isOpen(row: OutboxRow): Promise<boolean> {
    const { process } = this.parts;
    await process.pause(process.world.below(SLOW_MS));
    return super.isOpen(row);
  }
}

/** They do not even look. */
class Unfenced extends Slow {
  protected override async isOpen(row: OutboxRow): Promise<boolean> {
    await super.isOpen(row);
    return true;
  }
}

/** Deployment believes that every gate has passed. */
const gullible = contexts.map((context) => {
  if (context.name !== 'deployment') return context;
  const { react, canHandle } = context.reactions;
  const passed = (event: RecordedEvent): RecordedEvent =>
    event.type === 'GateEvaluated' ? { ...event, data: { ...(event.data as object), outcome: 'PASS' } } : event;
  return { ...context, reactions: { canHandle, react: (event: RecordedEvent) => react(passed(event)) } };
});

const REACTIONS = 'every event has its reactions once, in order, whoever died';
const HELD = 'expected versions, guards and claims held at the commit';

it.each<readonly [string, string, Replaced]>([
  [
    'a log without memory of commands',
    'every command in the log was asked for, is whole, and is there once',
    { log: forgetful },
  ],
  [
    'a log that acknowledges too early',
    'every command in the log was asked for, is whole, and is there once',
    { log: hasty },
  ],
  ['a log that checks no guard', HELD, { log: asking(({ guards: _, ...request }) => request) }],
  ['a log that checks no claim', HELD, { log: asking(({ claims: _, ...request }) => request) }],
  [
    'a log that checks no version',
    HELD,
    {
      log: asking((request) => ({
        ...request,
        writes: request.writes.map((write) => ({ ...write, expected: 'any' })),
      })),
    },
  ],
  ['a checkpoint that moves before the effect', REACTIONS, { reactor: CheckpointFirst }],
  ['a checkpoint that moves after the effect', REACTIONS, { reactor: EffectFirst }],
  [
    'workers that are not fenced',
    'what a worker has seen refused is not carried out on a later state',
    { reactor: Unfenced },
  ],
  [
    'a gate that is not asked',
    'a rollout starts by a passed decision about it, and nothing that it rests on has moved',
    { contexts: gullible },
  ],
])('finds %s', async (_, promise, replaced) => {
  // 1255 is the first seed that meets workers that are not fenced; the others are met within a few.
  for (const seed of [...seedsFrom(1, 100), 1255]) {
    const { violations } = await simulate(seed, replaced);
    if (violations.some((violation) => violation.startsWith(promise))) return;
  }
  expect.fail('101 seeds did not find it');
});
