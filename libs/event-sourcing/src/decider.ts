import type { Command } from './command.js';
import type { Decision } from './decision.js';
import type { DomainEvent } from './event.js';

/**
 * The rules of one aggregate: two pure functions and a start value.
 *
 * `decide` sees the state and a command and answers with events or a rejection. `evolve` folds one event into the state.
 *
 * @source J. Chassaing, "Functional Event Sourcing Decider", 2021.
 */
export interface Decider<State, C extends Command, E extends DomainEvent, Code extends string> {
  readonly initialState: State;
  readonly decide: (command: C, state: State) => Decision<E, Code>;
  readonly evolve: (state: State, event: E) => State;
}

/** The state after the events. */
export const fold = <State, E extends DomainEvent>(
  { initialState, evolve }: Pick<Decider<State, never, E, never>, 'initialState' | 'evolve'>,
  events: Iterable<E>,
): State => {
  let state = initialState;
  for (const event of events) state = evolve(state, event);
  return state;
};

/** Ends a `switch` over a union: a new member that nobody handled is a compile error, and a bug at run time. */
export const unreachable = (value: never): never => {
  throw new Error(`unhandled: ${JSON.stringify(value)}`);
};
