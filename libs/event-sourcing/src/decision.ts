import type { DomainEvent } from './event.js';

/** A typed no: the command was understood and is not allowed now. Returned, never thrown, and not stored. */
export interface Rejection<Code extends string = string> {
  readonly code: Code;
  /** What the caller needs to understand the code: the actual state, the limit, the names. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Rejected<Code extends string = string> {
  readonly rejection: Rejection<Code>;
}

/** Events to append (none: nothing changes, and that is a success), or a rejection. */
export type Decision<Event extends DomainEvent = DomainEvent, Code extends string = string> =
  readonly Event[] | Rejected<Code>;

export const reject = <Code extends string>(
  code: Code,
  details: Readonly<Record<string, unknown>> = {},
): Rejected<Code> => ({ rejection: { code, details } });

export const isRejected = <Event extends DomainEvent, Code extends string>(
  decision: Decision<Event, Code>,
): decision is Rejected<Code> => 'rejection' in decision;
