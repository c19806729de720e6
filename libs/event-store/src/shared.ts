/**
 * Calls that come while one runs share the next run, so that what each gets was read after it asked, and a thousand
 * readers cost no more statements than the database answers one after the other.
 */
export const shared = <Value>(run: () => Promise<Value>): (() => Promise<Value>) => {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<Value> | undefined;
  return () =>
    (next ??= running.then(() => {
      next = undefined;
      const result = run();
      running = result.then(
        () => undefined,
        () => undefined,
      );
      return result;
    }));
};
