import { createHash } from 'node:crypto';
import { prng, type Prng } from '@kontor/testing';

const START_MS = Date.UTC(2026, 0, 1);

/** How often things go wrong, as probabilities per message or step. */
export interface Faults {
  /** A message is lost. */
  readonly drop: number;
  /** A message comes once more. */
  readonly duplicate: number;
  /** A message or a process takes seconds instead of milliseconds: messages overtake each other, leases run out. */
  readonly stall: number;
  /** A process dies between two steps, and forgets what it had in memory. */
  readonly crash: number;
  /** The store does not answer; what was asked of it may have happened. */
  readonly unavailable: number;
}

export const CALM: Faults = { drop: 0, duplicate: 0, stall: 0, crash: 0, unavailable: 0 };

/** A seed leaves some faults out, so that each is also met without the others. */
const drawFaults = (random: Prng): Faults => {
  const upTo = (most: number): number => (random() < 0.25 ? 0 : random() * most);
  return { drop: upTo(0.2), duplicate: upTo(0.3), stall: upTo(0.05), crash: upTo(0.02), unavailable: upTo(0.05) };
};

interface Planned {
  readonly atMs: number;
  readonly what: () => void;
}

/** Time, chance and the order of things. All of it follows from the seed, and nothing else comes in. */
export class World {
  readonly random: Prng;
  readonly trace: string[] = [];
  readonly counts = { crashes: 0, drops: 0, duplicates: 0, stalls: 0, outages: 0 };
  faults: Faults;
  nowMs = START_MS;
  /** How many things have happened: an order, also within one millisecond. */
  moment = 0;
  #planned: Planned[] = [];
  readonly #hash = createHash('sha256');
  #broken: { readonly error: unknown } | undefined;

  constructor(readonly seed: number) {
    this.random = prng(seed);
    this.faults = drawFaults(this.random);
  }

  /** RFC 3339 in UTC with milliseconds. */
  get now(): string {
    return new Date(this.nowMs).toISOString();
  }

  happens(probability: number): boolean {
    return this.random() < probability;
  }

  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  /** One of the items. @throws Error if there is none. */
  of<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to choose from');
    return item;
  }

  /** UUIDv7 of the present millisecond. */
  readonly newId = (): string => {
    const time = this.nowMs.toString(16).padStart(12, '0');
    const hex = (digits: number): string =>
      this.below(16 ** digits)
        .toString(16)
        .padStart(digits, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`;
  };

  note(who: string, what: string): void {
    const line = `${((this.nowMs - START_MS) / 1000).toFixed(3).padStart(9)} s  ${who.padEnd(14)} ${what}`;
    this.trace.push(line);
    this.#hash.update(line);
  }

  /** SHA-256 of all notes and of `more`; the world takes no more of them. */
  digest(more: string): string {
    return this.#hash.update(more).digest('hex');
  }

  plan(delayMs: number, what: () => void): void {
    const atMs = this.nowMs + delayMs;
    const before = this.#planned.findLastIndex((other) => other.atMs <= atMs);
    this.#planned.splice(before + 1, 0, { atMs, what });
  }

  /** Everything stands still for so long, as when a computer sleeps: what was under way is old when it goes on. */
  standStill(ms: number): void {
    this.note('world', `stands still for ${ms / 3_600_000} hours`);
    this.nowMs += ms;
    this.#planned = this.#planned.map(({ atMs, what }) => ({ atMs: atMs + ms, what }));
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.plan(ms, resolve));
  }

  /** Lets something run beside the rest. What it throws is a bug and ends the run. */
  start(task: Promise<unknown>): void {
    task.catch((error: unknown) => (this.#broken ??= { error }));
  }

  /**
   * Does one thing after the other until it is over.
   *
   * @returns false if it was not over by then, or nothing was left to do.
   */
  async runUntil(isOver: () => boolean, maxMs: number): Promise<boolean> {
    const endMs = this.nowMs + maxMs;
    while (!isOver()) {
      const next = this.#planned.shift();
      if (next === undefined || next.atMs > endMs) return false;
      this.nowMs = next.atMs;
      this.moment += 1;
      next.what();
      await settled();
      if (this.#broken) throw this.#broken.error;
    }
    return true;
  }
}

/** Until nothing more can happen at this moment: Node runs what waits for the next tick after all promises. */
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
