/**
 * Work under one key happens one after the other, in the order of asking; different keys do not wait for each other. Work may
 * pass its turn on before its end.
 *
 * Without it, n commands at once on one stream would read the same version and one append would win each round: of 50,
 * four rounds let 4 through.
 */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /**
   * @param work gets what passes the turn on to who waits next, if it does so before its end.
   * @returns what `work` gives, or its error; an error does not stop who waits.
   */
  take<Result>(key: string, work: (pass: () => void) => Promise<Result>): Promise<Result> {
    let pass = (): void => undefined;
    const turn = new Promise<void>((resolve) => (pass = resolve));
    const before = this.#last.get(key) ?? Promise.resolve();
    this.#last.set(key, turn);
    const result = before.then(() => work(pass));
    const leave = (): void => {
      pass();
      if (this.#last.get(key) === turn) this.#last.delete(key);
    };
    result.then(leave, leave);
    return result;
  }
}
