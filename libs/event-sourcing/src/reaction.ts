import type { DomainEvent, Recorded } from './event.js';

/** A command that follows from an event. Its id derives from the event, so a redelivery is the same command. */
export interface ReactionCommand<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
  /** Where it is carried out; default: the workspace of the event. */
  readonly workspace?: string;
}

/**
 * How one context answers events of any context: pure, and always with commands of its own.
 *
 * The order of the commands is part of the contract: the n-th one of an event always has the same id.
 */
export interface Reactions<E extends DomainEvent = DomainEvent> {
  readonly canHandle: readonly E['type'][];
  readonly react: (event: Recorded<E>) => readonly ReactionCommand[];
}
