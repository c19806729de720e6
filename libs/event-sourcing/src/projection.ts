import type { DomainEvent, Recorded } from './event.js';

/**
 * One read model: which rows an event touches, and what each becomes. Pure, so that it can be rebuilt and compared.
 *
 * A row is plain JSON. Its key is unique over all workspaces (`<workspace>/<id>`). Storage adds the interval of
 * positions in which each version of the row was true; `evolve` never sees it.
 */
export interface Projection<Row extends object, E extends DomainEvent = DomainEvent> {
  readonly name: string;
  /** Raised when the same log gives other rows. A new version is built beside the old one. */
  readonly version: number;
  readonly canHandle: readonly E['type'][];
  /** The rows that the event touches, each at most once. They must follow from the event alone. */
  readonly keys: (event: Recorded<E>) => readonly string[];
  /**
   * The row after the event.
   *
   * @param other another row that the event touches, by its key, as those before it in `keys` were left.
   * @returns the same object if nothing changes, undefined if the row ends (or does not begin).
   */
  readonly evolve: (
    row: Row | undefined,
    event: Recorded<E>,
    key: string,
    other: (key: string) => Row | undefined,
  ) => Row | undefined;
}
