import { isDeepStrictEqual } from 'node:util';
import type { Answered, Check, History } from './history.js';
import { rules } from './rules.js';

/** Refusals that are recorded, by event type; their senders are told the code. */
const RECORDED_REFUSALS: Readonly<Record<string, readonly string[]>> = {
  DeletionRefused: ['VERSION_IN_USE', 'ALIAS_PROTECTED'],
  AliasChangeRefused: ['ALIAS_PROTECTED'],
  ArtifactWriteRefused: ['ARTIFACT_IMMUTABLE'],
};

/** Whether the sender is told what the log says of the command. */
const isTold = ({ reply }: Answered, [type = '']: readonly string[]): boolean => {
  const codes = RECORDED_REFUSALS[type];
  if (codes) return reply.outcome === 'rejected' && codes.includes(reply.code);
  return reply.outcome === 'accepted' && reply.eventIds.length > 0;
};

/** By command: its events in the order of the log. */
const byCommand = ({ events }: History) => Map.groupBy(events, ({ commandId }) => commandId);

/**
 * What the log, the services and their reactions promise, read from the history alone: no code of the store, the dispatcher
 * or the consumer is used, and no state but counters and tables.
 *
 * @source Jepsen's checkers, where a history of invocations and answers is judged by a model of its own.
 */
const promises: Readonly<Record<string, Check>> = {
  *'positions run from 1 without a gap'({ events }) {
    for (const [i, { position }] of events.entries())
      if (position !== BigInt(i) + 1n) yield `${i + 1}th is ${position}`;
  },

  *'versions of a stream run from 1 without a gap'({ events }) {
    const versions = new Map<string, bigint>();
    for (const { streamId, version } of events) {
      const next = (versions.get(streamId) ?? 0n) + 1n;
      if (version !== next) yield `${streamId} has ${version} instead of ${next}`;
      versions.set(streamId, next);
    }
  },

  *'time does not run backwards'({ events }) {
    for (const [i, { recordedAt, position }] of events.entries())
      if (recordedAt < (events[i - 1]?.recordedAt ?? '')) yield `at ${position}`;
  },

  *'every command in the log was asked for, is whole, and is there once'(history) {
    const outbox = [...history.tables.values()].flatMap((tables) => tables.outbox);
    const asked = new Set([
      ...history.sent.filter(({ fault }) => fault === undefined).map(({ request }) => request.metadata.commandId),
      ...outbox.map(({ commandId }) => commandId),
    ]);
    const written = Map.groupBy(
      history.appended.filter(({ result }) => result.outcome === 'appended'),
      ({ request }) => request.commandId,
    );
    const eventIds = new Set<string>();
    for (const [commandId, events] of byCommand(history)) {
      if (!asked.has(commandId)) yield `${commandId} was asked for by nobody`;
      const appends = written.get(commandId) ?? [];
      if (appends.length !== 1) yield `${commandId} was appended ${appends.length} times`;
      const ids = events.map(({ eventId }) => eventId);
      const wanted = appends[0]?.request.writes.flatMap((write) => write.events.map(({ eventId }) => eventId));
      if (!isDeepStrictEqual(ids, wanted))
        yield `${commandId} has the events ${ids.join()} instead of ${wanted?.join()}`;
      const [first, last] = [events[0], events.at(-1)];
      if (Number(last?.position) - Number(first?.position) !== events.length - 1) yield `${commandId} is torn`;
      for (const id of ids) if (eventIds.size === eventIds.add(id).size) yield `event ${id} is there twice`;
    }
    for (const commandId of written.keys())
      if (!history.events.some((event) => event.commandId === commandId)) yield `${commandId} is lost`;
  },

  *'expected versions, guards and claims held at the commit'({ appended, events }) {
    const owners = new Map<string, string>();
    for (const { request, result } of appended) {
      if (result.outcome !== 'appended') continue;
      const { commandId, writes, guards = [], claims = [] } = request;
      const before = events.filter(({ position }) => position < result.firstPosition);
      for (const { stream, expected } of [...writes, ...guards]) {
        const version = before.filter(({ streamId }) => streamId === stream).length;
        const wanted = expected === 'none' ? 0 : expected === 'any' ? version : Number(expected);
        if (version !== wanted) yield `${commandId} wanted ${stream} at ${wanted}, it was at ${version}`;
      }
      for (const { stream, kind, key, take } of claims) {
        const claim = `${stream.split('/', 1)[0]} ${kind} ${key}`;
        const owner = owners.get(claim);
        if (take && owner !== undefined && owner !== stream) yield `${commandId} took ${claim}, which ${owner} holds`;
        if (take) owners.set(claim, stream);
        else if (owner === stream) owners.delete(claim);
      }
    }
  },

  *'what was acknowledged is in the log as it was answered'(history) {
    const commands = byCommand(history);
    for (const { commandId, reply } of history.acknowledged) {
      if (reply.outcome !== 'accepted' || reply.eventIds.length === 0) continue;
      const events = commands.get(commandId) ?? [];
      const ids = events.map(({ eventId }) => eventId);
      const last = events.at(-1);
      if (!isDeepStrictEqual(ids, reply.eventIds) || String(last?.position) !== reply.position)
        yield `${commandId} was answered with ${JSON.stringify(reply)}, the log has ${ids.join() || 'nothing'}`;
    }
  },

  *'once a command is in the log, every answer to it is the first one'({ answered, appended, sent }) {
    const commits = new Map(
      appended.flatMap(({ request, result, moment }) => {
        if (result.outcome !== 'appended') return [];
        const types = request.writes.flatMap(({ events }) => events.map(({ type }) => type));
        return [[request.commandId, { moment, types }] as const];
      }),
    );
    const faulty = new Set(
      sent.filter(({ fault }) => fault === 'usedId').map(({ request }) => request.metadata.correlationId),
    );
    const first = new Map<string, Answered>();
    for (const answer of answered) {
      const { request, reply, moment } = answer;
      const { commandId, correlationId } = request.metadata;
      if (faulty.has(correlationId) || (reply.outcome === 'failed' && reply.code === 'UNAVAILABLE')) continue;
      const commit = commits.get(commandId);
      if (!commit || moment <= commit.moment) continue;
      const known = first.get(commandId);
      if (!isTold(answer, commit.types) || (known && !isDeepStrictEqual(known.reply, reply)))
        yield `${request.type} ${commandId} has happened and was answered with ${JSON.stringify(reply)}`;
      else first.set(commandId, answer);
    }
  },

  *'nothing wrong happens'({ sent, answered }) {
    const faults = new Map(sent.map(({ request, fault }) => [request.metadata.correlationId, fault]));
    for (const { request, reply } of answered) {
      if (reply.outcome === 'failed' && reply.code === 'INTERNAL') yield `${request.type} failed: ${reply.message}`;
      const fault = faults.get(request.metadata.correlationId);
      const isClients = request.metadata.causationId === undefined;
      if (!fault || !isClients || (reply.outcome === 'failed' && reply.code === 'UNAVAILABLE')) continue;
      const expected = { invalid: 'INVALID', usedId: 'IDEMPOTENCY_MISMATCH' }[fault];
      const code = reply.outcome === 'accepted' ? 'accepted' : reply.code;
      if (code !== expected && code !== 'INVALID') yield `${request.type} should be ${expected} and was ${code}`;
    }
  },

  *'everything is done in the end'({ isDrained, tables, events }) {
    if (isDrained) return;
    for (const [{ name }, { position, outbox }] of tables) {
      const waiting = outbox.filter(({ reply }) => reply === undefined);
      yield `${name} is at ${position} of ${events.length}, ${waiting.length} commands wait: ${waiting[0]?.type ?? ''}`;
    }
  },

  *'every event has its reactions once, in order, whoever died'({ tables, events, answered, isDrained }) {
    if (!isDrained) return;
    for (const [{ name, reactions }, { outbox }] of tables) {
      const wanted = events
        .filter(({ type }) => reactions.canHandle.includes(type))
        .flatMap((event) => reactions.react(event).map(({ type }, ordinal) => `${event.position} ${ordinal} ${type}`));
      const rows = outbox.map(({ position, ordinal, type }) => `${position} ${ordinal} ${type}`);
      const at = wanted.findIndex((row, i) => row !== rows[i]);
      if (at >= 0 || rows.length !== wanted.length)
        yield `${name}: ${rows.length} instead of ${wanted.length}, the first difference is ${rows[at]} instead of ${wanted[at]}`;
      for (const { type, position, reply } of outbox)
        if (reply?.outcome === 'failed') yield `${name}: ${type} after ${position} failed: ${reply.message}`;
      // Ids that derive from the event and the step: however often it is sent, it is one command.
      const rowsOf = Map.groupBy(outbox, ({ causationId }) => causationId);
      const own = answered.filter(
        ({ context, request }) => context === name && request.metadata.causationId !== undefined,
      );
      for (const [cause, answers] of Map.groupBy(own, ({ request }) => request.metadata.causationId)) {
        const sent = new Set(answers.map(({ request }) => request.metadata.commandId)).size;
        const steps = rowsOf.get(cause ?? '')?.length ?? 0;
        if (sent !== steps) yield `${name}: event ${cause} asks for ${steps} commands, ${sent} were sent`;
      }
    }
  },

  *'what a worker has seen refused is not carried out on a later state'({ tables, appended }) {
    const written = appended.filter(({ result }) => result.outcome === 'appended');
    for (const [{ name }, { outbox }] of tables) {
      for (const { type, commandId, reply, settledAt = 0 } of outbox) {
        if (reply?.outcome !== 'rejected') continue;
        const late = written.find(({ request, moment }) => request.commandId === commandId && moment > settledAt);
        const streams = late?.request.writes.map(({ stream }) => stream) ?? [];
        const hasMoved = written.some(
          ({ request, moment }) =>
            moment > settledAt &&
            moment < (late?.moment ?? 0) &&
            request.writes.some(({ stream }) => streams.includes(stream)),
        );
        if (hasMoved) yield `${name}: ${type} ${commandId} was refused with ${reply.code}`;
      }
    }
  },

  *'a cause comes before its effect'({ events }) {
    const known = new Set<string>();
    for (const { eventId, position, meta } of events) {
      if (meta.causationId !== undefined && !known.has(meta.causationId)) yield `at ${position}`;
      known.add(eventId);
    }
  },
};

/** What does not hold of a history: which promise, and where. Empty if all is well. */
export const audit = (history: History): string[] =>
  Object.entries({ ...promises, ...rules }).flatMap(([promise, check]) =>
    [...check(history)].map((problem) => `${promise}: ${problem}`),
  );
