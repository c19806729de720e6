import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';

/** A write or a guard as the client sent it. */
export interface SentWrite {
  readonly stream: string;
  /** A version, `none` or `any`. */
  readonly expected: string;
  /** Event ids. */
  readonly events: readonly string[];
}

/** What the store answered; `error` if nobody knows what happened. */
export interface Result {
  readonly outcome?: string;
  readonly first?: number;
  readonly last?: number;
  readonly versions?: readonly number[];
  readonly recordedAt?: string;
  readonly error?: string;
}

/**
 * A line of a history. `invoke` stands before the call; `ok` = accepted, `fail` = surely not written, `info` = nobody knows.
 *
 * @source Jepsen, knossos: operations of a history
 */
export interface Operation {
  /** Milliseconds since 1970, by the clock of the process. */
  readonly t: number;
  readonly proc: string;
  readonly op: 'invoke' | 'ok' | 'fail' | 'info';
  readonly cmd: string;
  /** Of an `invoke`. */
  readonly writes?: readonly SentWrite[];
  readonly guards?: readonly Omit<SentWrite, 'events'>[];
  /** Of the others. */
  readonly result?: Result;
}

/**
 * Writes down what a client does. A line is with the kernel before the call goes out, and before anybody is told the answer,
 * so it survives kill -9 of the client; power loss is not what these tests are about.
 */
export class HistoryFile {
  readonly #file: number;

  constructor(
    path: string,
    private readonly proc: string,
  ) {
    this.#file = openSync(path, 'a');
  }

  add(operation: Omit<Operation, 't' | 'proc'>): void {
    const line: Operation = { t: Date.now(), proc: this.proc, ...operation };
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

const parse = (text: string): readonly Operation[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Operation);

/** The lines of a history in the order in which they were written. */
export const readHistory = (path: string): readonly Operation[] => parse(readFileSync(path, 'utf8'));

/** The whole lines of a history that is being written, behind the first `offset` bytes; `end` is the offset to go on from. */
export const readHistoryFrom = (
  path: string,
  offset: number,
): { readonly operations: readonly Operation[]; readonly end: number } => {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(fstatSync(file).size - offset);
    readSync(file, bytes, 0, bytes.length, offset);
    const length = bytes.lastIndexOf('\n') + 1;
    return { operations: parse(bytes.toString('utf8', 0, length)), end: offset + length };
  } finally {
    closeSync(file);
  }
};
