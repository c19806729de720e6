/** How often a fact is looked at: short beside everything that is waited for, long beside one query. */
const POLL_MS = 20;

/**
 * Waits for a fact: calls `look` until it neither throws nor answers `false` or `undefined`.
 * @param timeoutMs - generous; it only decides how long a failing test takes
 * @returns what `look` answered
 * @throws the last error of `look`, or one that says what it answered last
 */
export const eventually = async <T>(
  look: () => T | Promise<T>,
  { timeoutMs = 45_000 }: { timeoutMs?: number } = {},
): Promise<Exclude<T, false | undefined>> => {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const answer = await look();
      if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
      failure = new Error(`not within ${String(timeoutMs)} ms: the last answer was ${String(answer)}`);
    } catch (error) {
      failure = error;
    }
    if (performance.now() > deadline) throw failure;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};
