/**
 * Work under one key happens one after the other, in the order of asking; different keys do not wait for each other.
 *
 * Without it, n commands at once on one stream would read the same version and one append would win each round: of 50,
 * four rounds let 4 through.
 */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** @returns what `work` gives, or its error; an error does not stop who waits. */
  take<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(work, work);
    this.#last.set(key, turn);
    const leave = (): void => {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    };
    turn.then(leave, leave);
    return turn;
  }
}
