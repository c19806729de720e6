import { performance } from 'node:perf_hooks';

/** A number of the story is not what the story claims. The demo ends with it. */
export class StoryBroken extends Error {
  constructor(claim: string, measured: string) {
    super(`the story says: ${claim}; measured: ${measured}`);
    this.name = 'StoryBroken';
  }
}

/** Tells the story on a terminal: chapters, steps with their time, claims with the numbers that were measured. */
export class Narrator {
  #stepStarted = performance.now();
  readonly #started = performance.now();
  #claims = 0;

  constructor(private readonly print: (line: string) => void) {}

  chapter(title: string): void {
    this.print(`\n${title}`);
    this.#stepStarted = performance.now();
  }

  /** One thing that happened, with the time since the step before, and how a reader can see it. */
  step(sentence: string, see?: string): void {
    const now = performance.now();
    this.print(`  ${sentence} (${seconds(now - this.#stepStarted)})`);
    if (see) this.print(`      see: ${see}`);
    this.#stepStarted = now;
  }

  /**
   * One statement of the story, held against what was measured.
   *
   * @throws StoryBroken if it does not hold.
   */
  claim(holds: boolean, claim: string, measured: string): void {
    if (!holds) throw new StoryBroken(claim, measured);
    this.#claims++;
    this.print(`  ✓ ${claim}: ${measured}`);
  }

  end(): void {
    this.print(`\nThe story holds: ${this.#claims} claims, ${seconds(performance.now() - this.#started)}.`);
  }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** Waits until `look` finds something. @throws StoryBroken with what was waited for, after `timeoutMs`. */
export const until = async <T>(what: string, look: () => Promise<T | undefined>, timeoutMs = 30_000): Promise<T> => {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new StoryBroken(what, `not within ${seconds(timeoutMs)}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};

// Short beside every step of the story, long enough not to be a load of its own.
const POLL_MS = 100;
