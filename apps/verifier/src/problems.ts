import type { BundleEvent } from '@kontor/transparency-log';

/** Something that does not hold, and where. */
export interface Problem {
  /** A position, a stream, a checkpoint or a line. */
  readonly where: string;
  readonly what: string;
  /** Of an event that is not the sealed one: itself, and what its leaf hash should be, in hex. */
  readonly sealed?: { readonly event: BundleEvent; readonly leaf: string };
}

/** A person reads a few; the first is the one that matters. */
const MAX_PROBLEMS = 20;

/** Keeps the first problems and counts them all. */
export class Problems {
  readonly kept: Problem[] = [];
  count = 0;

  add(where: string, what: string, sealed?: Problem['sealed']): void {
    this.count++;
    if (this.kept.length < MAX_PROBLEMS) this.kept.push({ where, what, ...(sealed && { sealed }) });
  }

  addAll({ kept, count }: Pick<Problems, 'kept' | 'count'>): void {
    this.count += count;
    this.kept.push(...kept.slice(0, MAX_PROBLEMS - this.kept.length));
  }
}

/** `position 3`, or `positions 3 to 5`. */
export const positions = (first: number, last: number): string =>
  first === last ? `position ${first}` : `positions ${first} to ${last}`;
