import type { Context, RecordedEvent } from '@kontor/event-sourcing';
import type { CommandReply } from '@kontor/messaging';
import type { DispatchRequest } from '@kontor/service';
import type { Appended } from './process.js';
import type { ReactionTables } from './reactor.js';

/** What a client asked for. */
export interface Sent {
  readonly context: string;
  readonly request: DispatchRequest;
  /** Content that is wrong, or an id that was used: it must not happen. */
  readonly fault: 'invalid' | 'usedId' | undefined;
}

/** An answer as a service gave it, received or not. */
export interface Answered {
  readonly context: string;
  readonly request: DispatchRequest;
  readonly reply: CommandReply;
  readonly moment: number;
}

/** All that happened, for the auditor. */
export interface History {
  readonly sent: readonly Sent[];
  readonly answered: readonly Answered[];
  /** What the clients took for the answer. */
  readonly acknowledged: readonly { readonly commandId: string; readonly reply: CommandReply }[];
  readonly appended: readonly Appended[];
  readonly events: readonly RecordedEvent[];
  readonly tables: ReadonlyMap<Context, ReactionTables>;
  readonly isDrained: boolean;
}

/** Says what does not hold of a history, one sentence each. */
export type Check = (history: History) => Iterable<string>;
