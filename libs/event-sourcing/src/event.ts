import { z } from 'zod';
import type { Position } from './position.js';
import type { StreamId } from './stream-id.js';

/** A fact that a decider produced: what happened, not yet where it stands in the log. */
export interface DomainEvent<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
}

/** One Zod schema per event type, of its newest version. The type, the JSON Schema and the subject derive from it. */
export type EventSchemas = Readonly<Record<string, z.ZodType>>;

/** The union of all events of a set of schemas, discriminated by `type`. */
export type EventOf<Schemas extends EventSchemas> = {
  [Type in keyof Schemas & string]: DomainEvent<Type, z.output<Schemas[Type]>>;
}[keyof Schemas & string];

/** Trace of an event back to its origin, stored beside the data and covered by the leaf hash. */
export interface EventMeta {
  /** Shared by everything that one request of a client led to. */
  readonly correlationId: string;
  /** The event that a reaction answered; absent on commands that came from outside. */
  readonly causationId?: string | undefined;
  /** When it happened in the world, RFC 3339, if that is not the moment of recording. */
  readonly occurredAt?: string | undefined;
  readonly actorKind: 'person' | 'service' | 'local';
  /** JSON Pointers of the values of `data` that are personal and stored encrypted; absent if there are none. */
  readonly encrypted?: readonly string[] | undefined;
  /** W3C trace context of the request. */
  readonly traceparent?: string | undefined;
}

/** An event on its way into the log. */
export interface NewEvent<Event extends DomainEvent = DomainEvent> {
  readonly eventId: string;
  readonly type: Event['type'];
  readonly schemaVersion: number;
  readonly data: Event['data'];
  readonly meta: EventMeta;
}

/** An event of the log, with its data lifted to the newest schema version by the reader's upcasters. */
export interface RecordedEvent<Event extends DomainEvent = DomainEvent> {
  readonly position: Position;
  readonly eventId: string;
  readonly streamId: StreamId;
  /** 1, 2, 3 … within the stream. */
  readonly version: bigint;
  readonly type: Event['type'];
  readonly schemaVersion: number;
  readonly workspace: string;
  /** Opaque id of who did it, from the authenticated principal. Never a name or an address. */
  readonly actor: string;
  readonly commandId: string;
  /** RFC 3339 in UTC with microseconds. Never falls as the position rises. */
  readonly recordedAt: string;
  readonly data: Event['data'];
  readonly meta: EventMeta;
}

/** A recorded event of any type of a union, so that `switch (event.type)` narrows `event.data`. */
export type Recorded<Event extends DomainEvent> = Event extends DomainEvent ? RecordedEvent<Event> : never;
