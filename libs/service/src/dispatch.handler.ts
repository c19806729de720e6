import { setTimeout as delay } from 'node:timers/promises';
import {
  type AppendChain,
  type Command,
  type CommandMetadata,
  type Context,
  type Decision,
  type DomainEvent,
  type EventMeta,
  type EventStore,
  type Guard,
  type Joint,
  isRejected,
  type NewEvent,
  newestVersion,
  type Rejected,
  type Route,
  type StreamId,
} from '@kontor/event-sourcing';
import { EventStoreError } from '@kontor/event-store';
import type { CommandReply } from '@kontor/messaging';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { v7 as uuidv7 } from 'uuid';
import { Dispatch, type DispatchRequest } from './dispatch.js';
import { type Log } from './log.js';
import { requestHash } from './canonical.js';
import { CommandReplies, reached, rejected, type Sent } from './command-replies.js';
import { findUnstorable } from './storable.js';
import { type Personal, type StreamState, StreamStates, withKeys } from './stream-states.js';
import { Turns } from './turns.js';

/** Another process came first: a conflict is decided again this often, with growing pauses; then the caller is told. */
const CONFLICT_PAUSES_MS = [100, 150, 225] as const;
/** About 50,000 events a second are folded: a longer stream would hold its first command after a start for more than 20 s. */
const MAX_STREAM_EVENTS = 1_000_000;
/** Whoever runs the log learns of a stream that becomes long, years before it is full. */
const LONG_STREAM_EVENTS = 5_000n;

/** What the handler takes from the machine, so that a simulation can give it time and chance of its own. */
export interface Machine {
  readonly pause: (ms: number) => Promise<unknown>;
  /** UUIDv7. */
  readonly newId: () => string;
}

const MACHINE: Machine = { pause: (ms) => delay(ms), newId: uuidv7 };

/**
 * What must have happened outside of the log before these events may say that it has. Repeated when a command is sent again.
 * A rejection is the answer to the command: nothing has happened, and nothing is appended.
 */
export type BeforeAppend = (events: readonly DomainEvent[], metadata: CommandMetadata) => Promise<Rejected | undefined>;

/** The state of any stream, as `decide` would see it now; the version is what a guard on it names. */
export type ReadState = <State>(
  stream: StreamId,
  fold: { readonly initialState: State; readonly evolve: (state: State, event: never) => State },
) => Promise<{ readonly state: State; readonly version: bigint }>;

/** What a command rests on and its sender does not know: members of its data, and streams that must not move meanwhile. */
export interface Facts {
  readonly data: object;
  readonly guards?: readonly Guard[];
}

/**
 * Facts for a command, read from the log right before each decision. If a guarded stream moves before the append, they are
 * read and the command is decided again.
 */
export type FindFacts = (command: Command, read: ReadState) => Promise<Facts>;

/** An event as it is stored, and as a fold will see it again. */
interface Decided {
  readonly stored: NewEvent;
  readonly event: DomainEvent;
  /** Of its personal data. */
  readonly keys: readonly string[];
}

/** What the rules of a stream say. */
interface Judged {
  readonly stream: StreamId;
  readonly decider: Route['decider'];
  readonly seen: StreamState;
  readonly decision: Decision;
}

/** A command that has the turn on its stream. */
interface Work extends Sent, Pick<DispatchRequest, 'isWanted'> {
  readonly route: Route;
  readonly stream: StreamId;
  readonly joint: Joint | undefined;
  readonly dryRun: boolean;
}

/** What a dispatcher works with. */
export interface DispatchParts {
  readonly store: EventStore;
  readonly personal: Personal;
  readonly log: Log;
  readonly beforeAppend?: BeforeAppend | undefined;
  /** By command type. */
  readonly facts?: Readonly<Record<string, FindFacts>> | undefined;
  readonly machine?: Machine;
  /** Default 1,000,000. */
  readonly maxStreamEvents?: number;
}

/** Validates, folds, decides, encrypts, appends: the way of every command of every context. */
@CommandHandler(Dispatch)
export class DispatchHandler implements ICommandHandler<Dispatch> {
  readonly #states: StreamStates;
  readonly #turns = new Turns();

  readonly #replies: CommandReplies;
  readonly #store: EventStore;
  readonly #machine: Machine;
  readonly #maxStreamEvents: number;

  constructor(
    private readonly context: Context,
    private readonly parts: DispatchParts,
  ) {
    const { store, personal, machine = MACHINE, maxStreamEvents = MAX_STREAM_EVENTS } = parts;
    this.#replies = new CommandReplies({ context, store, personal });
    this.#store = store;
    this.#machine = machine;
    this.#maxStreamEvents = maxStreamEvents;
    this.#states = new StreamStates(store, personal);
    personal.onForget = (keys) => this.#states.forgetPersonal(keys);
  }

  /** Never rejects: what can go wrong is a reply. A bug is logged with the command's correlation id, which the reply names. */
  async execute({ request }: Dispatch): Promise<CommandReply> {
    const { correlationId } = request.metadata;
    try {
      return await this.#dispatch(request);
    } catch (error) {
      if (error instanceof EventStoreError) {
        if (error.retryable)
          this.parts.log.error('a command could not be stored', error.cause ?? error, { correlationId });
        const retryAfterMs =
          'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : 1_000;
        return error.retryable
          ? { outcome: 'failed', code: 'UNAVAILABLE', message: error.message, correlationId, retryAfterMs }
          : { outcome: 'failed', code: 'INVALID', message: error.message, correlationId };
      }
      const { type } = request;
      this.parts.log.error('a command failed', error, { type, correlationId, commandId: request.metadata.commandId });
      return {
        outcome: 'failed',
        code: 'INTERNAL',
        message: `The command failed; the log has ${correlationId}.`,
        correlationId,
      };
    }
  }

  async #dispatch(request: DispatchRequest): Promise<CommandReply> {
    const { type, data, asked, isWanted, wantsEvents = false, dryRun = false, metadata } = request;
    const { correlationId, workspace } = metadata;
    const schema = Object.hasOwn(this.context.commands, type) ? this.context.commands[type] : undefined;
    const route = Object.hasOwn(this.context.routes, type) ? this.context.routes[type] : undefined;
    if (!schema || !route) {
      const message = `type: ${this.context.name} has no command ${JSON.stringify(type.slice(0, 100))}`;
      return { outcome: 'failed', code: 'INVALID', message, path: 'type', correlationId };
    }
    const invalid = (path: string, problem: string): CommandReply => ({
      outcome: 'failed',
      code: 'INVALID',
      message: `${path || 'data'}: ${problem}`,
      path,
      correlationId,
    });
    // Before the schema: what it does not know it drops, and the hash covers everything that was sent.
    const unstorable = findUnstorable(data);
    if (unstorable) return invalid(unstorable.path, unstorable.problem);
    const parsed = schema.safeParse(data);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return invalid(issue?.path.join('.') ?? '', issue?.message ?? '');
    }
    const { id: actor } = metadata.actor;
    const plainHash = requestHash({ workspace, type, data: asked ?? data });
    const hash = await this.parts.personal.blind({ workspace, actor, schema, data: parsed.data }, plainHash);
    const command = { type, data: parsed.data, metadata };
    const stream = route.stream(command);
    const joint = route.joint?.(command);
    const work = { command, route, stream, joint, hash, wantsEvents, dryRun, isWanted };
    const decide = async (pass?: () => void): Promise<CommandReply | undefined> => {
      const reply = await this.#decide(work, pass);
      if (!reply || (reply.outcome === 'accepted' && reply.eventIds.length > 0)) return reply;
      // The same command may have come before, and its first coming is what this one is refused for. What is decided to be
      // written needs no such look: an append knows its command's id.
      return (await this.#replies.known(work)) ?? reply;
    };
    // Whoever has the turn on a joint stream takes no further one, so no two wait for each other.
    const withTurns = (pass?: () => void) => {
      if (!joint) return decide(pass);
      return this.#turns.take(joint.stream, (passJoint) => {
        const passBoth = (): void => {
          pass?.();
          passJoint();
        };
        return decide(pass && passBoth);
      });
    };
    // What was decided on appends that failed is decided again, for good.
    const reply = (await this.#turns.take(stream, withTurns)) ?? (await this.#turns.take(stream, () => withTurns()));
    if (!reply) throw new Error('only who passes the turn on is without a reply');
    return reply;
  }

  /**
   * Decides on the state as this process expects it, which costs no look at the log: an append names the version that was
   * judged, so what another process wrote since is found out there. Only a yes is believed that easily. A no has nothing
   * to prove it, and what happens before an append cannot be taken back: both are decided on the present state.
   *
   * @param pass lets the next command of the stream be decided while the append of this one is under way, on what it will
   *   have made of the stream; so commands on one stream travel together as those on many do. Without it the decision is made on
   *   the present state and is final.
   * @returns undefined if the turn was passed on and the decision did not hold.
   */
  async #decide(work: Work, pass?: () => void): Promise<CommandReply | undefined> {
    const { command: sent, route, stream, joint, hash, dryRun, isWanted } = work;
    const { metadata } = sent;
    const { decider } = route;
    const findFacts = this.parts.facts?.[sent.type];
    let isPresent = dryRun || this.parts.beforeAppend !== undefined || !pass;
    for (let conflicts = 0; ;) {
      const facts = await findFacts?.(sent, (of, fold) => this.#states.readAny(of, fold));
      const command = facts ? { ...sent, data: { ...(sent.data as object), ...facts.data } } : sent;
      // Who rests on another stream, too, or must be right at once, waits for what is under way.
      const mayLead = pass !== undefined && !isPresent && !findFacts && !route.guards;
      if (!mayLead || this.#states.isBeside(stream)) await this.#states.settled(stream);
      const { seen, chain } = isPresent
        ? { seen: await this.#states.read(stream, decider), chain: undefined }
        : this.#states.expected(stream, decider);
      const { state, version, position } = seen;
      const decision = decider.decide(command, state);
      const beside =
        joint && !isRejected(decision) && decision.length > 0
          ? await this.#decideBeside(joint, decision, chain)
          : undefined;
      const isNo = isRejected(decision) || decision.length === 0 || (beside && isRejected(beside.decision));
      if (isNo && !isPresent) {
        isPresent = true;
        continue;
      }
      if (isRejected(decision)) return this.#replies.rejection(decision);
      if (decision.length === 0) {
        return { outcome: 'accepted', position: String(position), version: String(version), eventIds: [] };
      }
      if (beside && isRejected(beside.decision)) return this.#replies.rejection(beside.decision);
      if (dryRun)
        return this.#replies.preview(decision as readonly DomainEvent[], { version, position, now: metadata.now });
      const wanted = Number(version) + decision.length;
      if (wanted > this.#maxStreamEvents) {
        if (isPresent) return this.#full(stream, wanted);
        isPresent = true;
        continue;
      }
      if (isWanted && !(await reached(isWanted())))
        return rejected('NO_LONGER_WANTED', 'Another worker has noted an answer to this command.');
      const refusal = await this.parts.beforeAppend?.(decision as readonly DomainEvent[], metadata);
      if (refusal) return this.#replies.rejection(refusal);
      const own = await this.#write({ stream, decider, seen, decision }, metadata);
      // Its own stream is the last one, so that the command's position and version are there.
      const written = beside ? [await this.#write(beside, metadata), own] : [own];
      const events = written.flatMap((one) => one.events);
      const guards = [...(route.guards?.(command) ?? []), ...(facts?.guards ?? [])];
      const isLeading = mayLead && chain !== undefined && version > 0n;
      const append = this.#store.append({
        commandId: metadata.commandId,
        requestHash: hash,
        actor: metadata.actor.id,
        writes: written.map(({ write }) => write),
        guards,
        ...(route.claims && { claims: route.claims(command) }),
        ...(isLeading && { chain }),
      });
      if (isLeading) {
        for (const { write, after: seen } of written)
          this.#states.lead(write.stream, { seen, chain, append, isBeside: write.stream !== stream });
        pass();
      }
      const result = await append;
      if (result.outcome === 'appended') {
        const length = result.versions.at(-1) ?? version;
        if (version < LONG_STREAM_EVENTS && length >= LONG_STREAM_EVENTS)
          this.parts.log.info('a stream has become long', {
            stream,
            events: String(length),
            allowed: this.#maxStreamEvents,
          });
        for (const { write, after } of written)
          this.#states.keep(write.stream, { ...after, position: result.lastPosition });
      }
      const isOutdated =
        result.outcome === 'conflict' ||
        result.outcome === 'broken' ||
        (result.outcome === 'guard' && facts?.guards !== undefined);
      if (isLeading && (isOutdated || result.outcome === 'claimed')) return undefined;
      // That a name is taken is a no as well, and the log says it before it says that the state is an old one.
      if (result.outcome === 'claimed' && !isPresent) {
        isPresent = true;
        continue;
      }
      if (!isOutdated) return this.#replies.result(result, work, events);
      if (isPresent) {
        const pauseMs = CONFLICT_PAUSES_MS[conflicts];
        if (pauseMs === undefined) {
          if (result.outcome === 'guard') return this.#replies.result(result, work, events);
          break;
        }
        await this.#machine.pause(pauseMs);
        conflicts += 1;
      }
      isPresent = true;
    }
    return rejected('CONFLICT', 'Others changed the same thing at the same time; try again.', { stream });
  }

  /**
   * On a joint stream, of which this command has the turn as well.
   *
   * @param chain of the command's own stream; undefined if it decides on the present state.
   */
  async #decideBeside(joint: Joint, decided: readonly DomainEvent[], chain?: AppendChain): Promise<Judged> {
    const { decider, stream, command } = joint;
    const expected = await this.#states.expectedBeside(stream, decider, chain);
    // It exists, so one without a version is one of which this process knows nothing yet.
    const seen = !chain || expected.version === 0n ? await this.#states.read(stream, decider) : expected;
    return { stream, decider, seen, decision: decider.decide(command(decided), seen.state) };
  }

  /** What is written of a yes, and what the stream will be then. */
  async #write({ stream, decider, seen, decision }: Judged, metadata: CommandMetadata) {
    const events = await Promise.all(
      (decision as readonly DomainEvent[]).map((event) => this.#toNewEvent(event, metadata)),
    );
    const { state, version, position, era } = seen;
    const after: StreamState = {
      state: events.reduce((before, { event }) => decider.evolve(before, event) as unknown, state),
      version: version + BigInt(events.length),
      position,
      keys: withKeys(
        seen.keys,
        events.flatMap(({ keys }) => keys),
      ),
      era,
    };
    const expected = version === 0n ? ('none' as const) : version;
    return { events, after, write: { stream, expected, events: events.map(({ stored }) => stored) } };
  }

  #full(stream: StreamId, events: number): CommandReply {
    const allowed = this.#maxStreamEvents;
    const message = `The stream ${stream} would hold ${events} events; ${allowed} are allowed: go on in a new one.`;
    return rejected('STREAM_FULL', message, { stream, events, allowed });
  }

  /** The schema holds what a decider may say: an event that breaks it is a bug, and nothing is written. */
  async #toNewEvent({ type, data }: DomainEvent, metadata: CommandMetadata): Promise<Decided> {
    const { correlationId, causationId, occurredAt, actor, traceparent, workspace } = metadata;
    const schema = this.context.events[type];
    if (!schema) throw new Error(`${this.context.name} has no event ${type}`);
    const eventId = this.#machine.newId();
    const checked = schema.parse(data);
    const stored = await this.parts.personal.encrypt({ workspace, actor: actor.id, eventId, schema, data: checked });
    const meta: EventMeta = {
      correlationId,
      actorKind: actor.kind,
      ...(causationId !== undefined && { causationId }),
      ...(occurredAt !== undefined && { occurredAt }),
      ...(traceparent !== undefined && { traceparent }),
      ...(stored.encrypted.length > 0 && { encrypted: stored.encrypted }),
    };
    const schemaVersion = newestVersion(this.context.upcasters, type);
    return {
      stored: { eventId, type, schemaVersion, data: stored.data, meta },
      event: { type, data: checked },
      keys: stored.keys,
    };
  }
}
