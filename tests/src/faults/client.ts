import type { AppendRequest, EventStore, ExpectedVersion } from '@kontor/event-sourcing';
import { isTransient } from '@kontor/event-store';
import { type Prng, uuidv7 } from '@kontor/testing';
import type { HistoryFile, Result, SentWrite } from './history.js';

/** A command as the history holds it: sent again it is the same, event ids included. */
export interface Command {
  readonly cmd: string;
  readonly writes: readonly SentWrite[];
  readonly guards: readonly Omit<SentWrite, 'events'>[];
}

const expectedOf = (text: string): ExpectedVersion => (text === 'none' || text === 'any' ? text : BigInt(text));

const requestOf = ({ cmd, writes, guards }: Command, data: unknown): AppendRequest => ({
  commandId: cmd,
  requestHash: new Uint8Array(32),
  actor: 'ada',
  writes: writes.map(({ stream, expected, events }) => ({
    stream,
    expected: expectedOf(expected),
    events: events.map((eventId) => ({
      eventId,
      type: 'Counted',
      schemaVersion: 1,
      data,
      meta: { correlationId: cmd, actorKind: 'person' },
    })),
  })),
  guards: guards.map(({ stream, expected }) => ({ stream, expected: expected === 'none' ? 'none' : BigInt(expected) })),
});

/**
 * Sends a command and writes down what it did.
 *
 * @returns the answer; undefined if nobody knows what happened.
 * @throws whatever does not pass by itself: a defect.
 */
export const send = async (
  store: Pick<EventStore, 'append'>,
  history: HistoryFile,
  command: Command,
  data: unknown,
): Promise<Result | undefined> => {
  const { cmd } = command;
  history.add({ op: 'invoke', ...command });
  try {
    const answer = await store.append(requestOf(command, data));
    const isAccepted = 'firstPosition' in answer;
    const result: Result = {
      outcome: answer.outcome,
      ...(isAccepted && {
        first: Number(answer.firstPosition),
        last: Number(answer.lastPosition),
        recordedAt: answer.recordedAt,
      }),
      ...('versions' in answer && { versions: answer.versions.map(Number) }),
    };
    history.add({ op: isAccepted ? 'ok' : 'fail', cmd, result });
    return result;
  } catch (error) {
    if (!isTransient(error)) throw error;
    const { message, cause } = error as Error;
    history.add({ op: 'info', cmd, result: { error: cause instanceof Error ? cause.message : message } });
    return undefined;
  }
};

/** Makes commands over a few streams: one or two writes, each of one to three events, some exact, some guarded. */
export class Workload {
  /** Versions as far as an answer told them. */
  readonly #known = new Map<string, number>();

  constructor(
    private readonly chance: Prng,
    private readonly streams: readonly string[],
    private readonly isExact: boolean,
  ) {}

  next(): Command {
    const first = this.#index();
    const second = (first + 1 + (this.#index() % (this.streams.length - 1))) % this.streams.length;
    const names = [first, second].slice(0, this.chance() < 0.3 ? 2 : 1).map((index) => this.streams[index] ?? '');
    const guarded = this.streams[(first + second + 1) % this.streams.length] ?? '';
    const isGuarded = this.isExact && this.chance() < 0.1 && !names.includes(guarded);
    return {
      cmd: uuidv7(),
      writes: names.map((stream) => ({
        stream,
        expected: this.isExact && this.chance() < 0.9 ? this.#expected(stream) : 'any',
        events: Array.from({ length: 1 + Math.floor(this.chance() * 3) }, uuidv7),
      })),
      guards: isGuarded ? [{ stream: guarded, expected: this.#expected(guarded) }] : [],
    };
  }

  /** Learns from an answer, a refusal included. */
  learn({ writes }: Command, { versions = [] }: Result): void {
    for (const [index, { stream }] of writes.entries()) {
      this.#known.set(stream, Math.max(versions[index] ?? 0, this.#known.get(stream) ?? 0));
    }
  }

  #index(): number {
    return Math.floor(this.chance() * this.streams.length);
  }

  #expected(stream: string): string {
    const version = this.#known.get(stream) ?? 0;
    return version === 0 ? 'none' : `${version}`;
  }
}
