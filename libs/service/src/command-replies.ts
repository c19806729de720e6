import {
  type Accepted,
  type AppendResult,
  type Command,
  type Context,
  type DomainEvent,
  type EventStore,
  type NewEvent,
  type Position,
  type Rejected,
} from '@kontor/event-sourcing';
import type { CommandReply } from '@kontor/messaging';
import { type Personal, unavailable } from './stream-states.js';

/** An answer of PostgreSQL; an outage is one of the store. */
export const reached = <Answer>(asked: Promise<Answer>): Promise<Answer> =>
  asked.catch((error: unknown) => {
    throw unavailable(error);
  });

/** A no, which left nothing in the log. */
export const rejected = (
  code: string,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): CommandReply => ({
  outcome: 'rejected',
  code,
  message,
  details: { ...details },
});

/** What an answer depends on, beside what became of the command. */
export interface Sent {
  readonly command: Command;
  readonly hash: Uint8Array;
  /** Whether the reply repeats the events. */
  readonly wantsEvents: boolean;
}

/** What the sender of a command is told. */
export class CommandReplies {
  constructor(
    private readonly parts: { readonly context: Context; readonly store: EventStore; readonly personal: Personal },
  ) {}

  /** To what would be appended now. Names that are taken, and what must happen before, are not looked at. */
  preview(
    events: readonly DomainEvent[],
    { version, position, now }: { readonly version: bigint; readonly position: Position; readonly now: string },
  ): CommandReply {
    return (
      this.#refusal(events) ?? {
        outcome: 'accepted',
        position: String(position),
        version: String(version),
        eventIds: [],
        events: events.map((event) => ({ ...event, recordedAt: now })),
      }
    );
  }

  /** The rejection that recorded events are to the sender of the command; undefined if they are none. */
  #refusal(events: readonly { readonly type: string; readonly data?: unknown }[]): CommandReply | undefined {
    for (const { type, data } of events) {
      const refusal = this.parts.context.refusals?.[type]?.(data);
      if (refusal)
        return rejected(refusal.code, this.parts.context.rejections[refusal.code] ?? refusal.code, refusal.details);
    }
    return undefined;
  }

  /** The words of a context for its rejection. */
  rejection({ rejection: { code, details } }: Rejected): CommandReply {
    return rejected(code, this.parts.context.rejections[code] ?? code, details);
  }

  /** To what the log made of an append. */
  async result(
    result: Exclude<AppendResult, { outcome: 'conflict' | 'broken' }>,
    sent: Sent,
    events: readonly { readonly stored: NewEvent; readonly event: DomainEvent }[],
  ): Promise<CommandReply> {
    switch (result.outcome) {
      case 'appended': {
        const { recordedAt } = result;
        const refusal = this.#refusal(events.map(({ event }) => event));
        if (refusal) return refusal;
        return {
          outcome: 'accepted',
          position: String(result.lastPosition),
          version: String(result.versions.at(-1)),
          eventIds: events.map(({ stored }) => stored.eventId),
          ...(sent.wantsEvents && { events: events.map(({ event }) => ({ ...event, recordedAt })) }),
        };
      }
      case 'replayed':
        return this.#repeat(result, sent);
      case 'key_reused':
        return this.#mismatch(sent);
      case 'claimed':
        return rejected('NAME_TAKEN', 'The name is taken.');
      case 'guard':
        return rejected('GUARD_MOVED', 'What the command rests on has changed since; decide again.');
      default:
        throw new Error(`unhandled outcome ${JSON.stringify(result.outcome)}`);
    }
  }

  /** The answer to a command id that was accepted before; undefined if there is none. */
  async known(sent: Sent): Promise<CommandReply | undefined> {
    const known = await reached(this.parts.store.findCommand(sent.command.metadata.commandId));
    if (!known) return undefined;
    return Buffer.from(known.requestHash).equals(sent.hash) ? this.#repeat(known, sent) : this.#mismatch(sent);
  }

  /** The first answer again: the same positions and event ids, however often it is asked. */
  async #repeat({ firstPosition, lastPosition, versions }: Accepted, sent: Sent): Promise<CommandReply> {
    const eventIds: string[] = [];
    const events: { type: string; data: unknown; recordedAt: string }[] = [];
    for await (const event of this.parts.store.readAll(firstPosition - 1n, { upTo: lastPosition })) {
      const { eventId, type, workspace, recordedAt, meta } = event;
      const refusal = this.#refusal([event]);
      if (refusal) return refusal;
      eventIds.push(eventId);
      if (!sent.wantsEvents) continue;
      events.push({
        type,
        data: meta.encrypted ? await this.parts.personal.open(workspace, event.data) : event.data,
        recordedAt,
      });
    }
    return {
      outcome: 'accepted',
      position: String(lastPosition),
      version: String(versions.at(-1)),
      eventIds,
      ...(sent.wantsEvents && { events }),
    };
  }

  #mismatch({ command: { metadata } }: Sent): CommandReply {
    const { commandId } = metadata;
    return rejected('IDEMPOTENCY_MISMATCH', 'This command id was used for another command.', { commandId });
  }
}
