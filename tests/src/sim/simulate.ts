import { contexts as allContexts, upcasters } from '@kontor/domain/contexts';
import {
  type Context,
  EventStoreError,
  type EventStore,
  InMemoryEventStore,
  type RecordedEvent,
} from '@kontor/event-sourcing';
import { plainData } from '@kontor/event-sourcing/testing';
import { withGateContext } from '@kontor/governance/facts';
import type { CommandReply } from '@kontor/messaging';
import { Dispatch, DispatchHandler, type DispatchRequest } from '@kontor/service';
import { audit } from './auditor.js';
import { Bus } from './bus.js';
import type { Answered, History, Sent } from './history.js';
import { type Appended, Connection, Process } from './process.js';
import { emptyTables, Reactor, type ReactionTables } from './reactor.js';
import { Workload } from './workload.js';
import { CALM, World } from './world.js';

const HOSTS = ['a', 'b'];
const CLIENTS = 4;
const COMMANDS = 40; // of each client
const THINK_MS = 1_000;
/** After some commands nothing happens for hours, or for weeks: decisions get too old, approvals run out. */
const LONG_PAUSE = 0.01;
const MAX_TRIES = 6;
const RETRY_MS = 1_000;
const RESTART_MS = 20_000;

/** Chaos ends when the clients are done; what is left may take this long, in virtual time. */
const CHAOS_MS = 3 * 365 * 86_400_000;
const DRAIN_MS = 3_600_000;
/** By then everything that was under way has arrived. */
const SETTLED_MS = 60_000;

export interface Run {
  readonly seed: number;
  /** Empty if all is well. */
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  /** SHA-256 of the trace and the log. */
  readonly digest: string;
  readonly counts: World['counts'];
  readonly history: History;
}

/** Parts that a spec replaces by broken ones, to see the auditor find it. */
export interface Replaced {
  readonly log?: (log: EventStore) => EventStore;
  readonly reactor?: typeof Reactor;
  readonly contexts?: readonly Context[];
}

interface Listener {
  readonly onAnswer: (request: DispatchRequest, reply: CommandReply) => void;
  readonly onBug: (problem: string) => void;
}

/** The dispatcher of the services, in a simulated process. */
const dispatcher = (process: Process, context: Context, store: Connection, { onAnswer, onBug }: Listener) => {
  const { world, name } = process;
  const onError = (message: string, error: unknown): void => {
    const isPassing = error instanceof EventStoreError && error.retryable;
    if (!isPassing) onBug(`${name}: ${message}: ${error instanceof Error ? error.stack : String(error)}`);
  };
  const machine = { pause: (ms: number) => process.pause(ms), newId: world.newId };
  const handler = new DispatchHandler(context, {
    ...{ store, machine, personal: plainData() },
    log: { info: () => undefined, error: onError },
  });
  return async (request: DispatchRequest): Promise<CommandReply> => {
    const reply = await handler.execute(new Dispatch(request));
    onAnswer(request, reply);
    const what = reply.outcome === 'accepted' ? `position ${reply.position}` : reply.code;
    world.note(name, `${request.type} ${request.metadata.commandId}: ${reply.outcome} ${what}`);
    return reply;
  };
};

/** Sends until there is an answer, or patience is over: then the command may have happened or not. */
const insist = async (world: World, bus: Bus, { context, request }: Sent): Promise<CommandReply | undefined> => {
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    const reply = await bus.request(context, request);
    if (reply && !(reply.outcome === 'failed' && reply.code === 'UNAVAILABLE')) return reply;
    await world.sleep(RETRY_MS);
  }
  return undefined;
};

/**
 * Runs clients, the services of all contexts on two hosts, the bus and the log in virtual time: first with the faults that
 * the seed draws, then without any until nothing is left to do; then audits what happened.
 *
 * The same seed gives the same trace. Real are the deciders, reactions, facts, the dispatcher and the in-memory log.
 *
 * @throws what a part of the simulation, or of the product outside a command, throws.
 */
export const simulate = async (
  seed: number,
  { log: wrap = (log) => log, reactor = Reactor, contexts = allContexts }: Replaced = {},
): Promise<Run> => {
  const world = new World(seed);
  const bus = new Bus(world);
  const log = wrap(new InMemoryEventStore({ now: () => world.now.replace('Z', '000Z'), upcasters }));
  const tables = new Map(contexts.map((context) => [context, emptyTables()]));
  const [sent, answered, appended]: [Sent[], Answered[], Appended[]] = [[], [], []];
  const acknowledged: { commandId: string; reply: CommandReply }[] = [];
  const failures: string[] = [];
  const events: RecordedEvent[] = [];
  const happened = new Set<string>();

  const onAppend = async (append: Appended): Promise<void> => {
    appended.push(append);
    const { result, request } = append;
    world.note('log', `${result.outcome} ${request.writes.map(({ stream }) => stream).join(' ')}`);
    for await (const event of log.readAll(BigInt(events.length))) {
      events.push(event);
      happened.add(event.commandId);
      world.note('log', `${event.position} ${event.type} ${event.streamId}@${event.version} ${event.eventId}`);
      bus.announce(event);
    }
  };

  const startService = (context: Context, host: string): void => {
    const restart = (): void => world.plan(1 + world.below(RESTART_MS), () => startService(context, host));
    const process = new Process(world, `${context.name}@${host}`, restart);
    const store = new Connection(process, log, onAppend);
    const dispatch = dispatcher(process, context, store, {
      onAnswer: (request, reply) => answered.push({ context: context.name, request, reply, moment: world.moment }),
      onBug: (problem) => failures.push(problem),
    });
    const enrich = context.name === 'governance' ? withGateContext(store) : {};
    const own = tables.get(context) ?? emptyTables();
    const running = new reactor({ process, host, context, tables: own, store, enrich, dispatch });
    running.start();
    bus.serve({ context: context.name, process, answer: dispatch, hear: (event) => running.hear(event) });
  };
  for (const context of contexts) for (const host of HOSTS) startService(context, host);

  const workload = new Workload(world, events);
  let working = CLIENTS;
  const work = async (): Promise<void> => {
    for (let n = 0; n < COMMANDS; n += 1) {
      await world.sleep(world.below(THINK_MS));
      if (world.happens(LONG_PAUSE)) world.standStill(world.of([2, 24 * 15]) * 3_600_000);
      // A command that used an id of another one may be followed by the very command that the id belongs to.
      const done = sent.filter(({ request, fault }) => !fault && happened.has(request.metadata.commandId));
      const next = workload.next(done);
      sent.push(next);
      const reply = await insist(world, bus, next);
      if (reply) acknowledged.push({ commandId: next.request.metadata.commandId, reply });
    }
    working -= 1;
  };
  for (let client = 0; client < CLIENTS; client += 1) world.start(work());

  if (!(await world.runUntil(() => working === 0, CHAOS_MS))) failures.push('the clients never come to an end');
  world.note('world', 'no more faults');
  world.faults = CALM;
  const isDone = ({ position, outbox }: ReactionTables): boolean =>
    position === BigInt(events.length) && outbox.every(({ reply }) => reply !== undefined);
  const settledMs = world.nowMs + SETTLED_MS;
  const isDrained = await world.runUntil(
    () => world.nowMs >= settledMs && [...tables.values()].every(isDone),
    DRAIN_MS,
  );

  const history = { sent, answered, acknowledged, appended, events, tables, isDrained };
  return {
    seed,
    violations: [...failures, ...audit(history)],
    trace: world.trace,
    digest: world.digest(JSON.stringify(events.map(({ data }) => data))),
    counts: world.counts,
    history,
  };
};
