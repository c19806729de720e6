import type { Command, CommandOf, CommandSchemas } from './command.js';
import type { Decider } from './decider.js';
import type { DomainEvent, EventSchemas } from './event.js';
import type { Claim, Guard } from './event-store.js';
import type { Reactions } from './reaction.js';
import type { StreamId } from './stream-id.js';
import type { Upcasters } from './upcast.js';

/** Which decider answers a command, and on which stream. */
export interface Route<C extends Command = Command> {
  readonly decider: AnyDecider;
  readonly stream: (command: C) => StreamId;
  /** Unique names that the command takes or frees, checked inside the append. */
  readonly claims?: (command: C) => readonly Claim[];
  /** Streams that must not have moved since the fact that the command rests on was read. */
  readonly guards?: (command: C) => readonly Guard[];
  /** What else the command writes; undefined if nothing. */
  readonly joint?: (command: C) => Joint | undefined;
}

/** A second stream that is written with the command's own, both or neither, if its rules say so as well, with at least one event. It exists. */
export interface Joint {
  readonly decider: AnyDecider;
  readonly stream: StreamId;
  /** What its rules are asked, from what was decided on the command's own stream. */
  readonly command: (decided: readonly DomainEvent[]) => Command;
}

/** A decider whose types were checked where its routes were written; the dispatcher only passes values through. */
export type AnyDecider = Decider<unknown, Command, DomainEvent, string>;

/** The routes of some commands to one decider, checked against the decider's own command type. */
export const routes =
  <Schemas extends CommandSchemas>() =>
  <State, E extends DomainEvent, Code extends string, Types extends keyof Schemas & string>(
    decider: Decider<State, CommandOf<Schemas, Types>, E, Code>,
    table: { readonly [Type in Types]: Omit<Route<CommandOf<Schemas, Type>>, 'decider'> },
  ): Readonly<Record<Types, Route>> =>
    // A decider takes its own commands and state only. That the dispatcher passes no others follows from the table.
    Object.fromEntries(
      Object.entries(table).map(([type, route]) => [type, { decider, ...(route as object) }]),
    ) as unknown as Record<Types, Route>;

/** Everything that one bounded context allows. A service serves exactly one. */
export interface Context {
  readonly name: string;
  readonly events: EventSchemas;
  readonly commands: CommandSchemas;
  readonly routes: Readonly<Record<string, Route>>;
  readonly upcasters: Upcasters;
  readonly reactions: Reactions;
  /** Per rejection code one sentence for a person. */
  readonly rejections: Readonly<Record<string, string>>;
  /** By event type: refusals that are recorded, and the rejection that they are to whoever sent the command. */
  readonly refusals?: Readonly<
    Record<string, (data: unknown) => { readonly code: string; readonly details: Readonly<Record<string, unknown>> }>
  >;
}
