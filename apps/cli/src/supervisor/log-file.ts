import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** One old file is kept beside the current one. */
const LIMIT_BYTES = 10 * 1024 * 1024;

/** Where the lines of one process go. */
export interface LogFile {
  /** Never throws: a full disk must not end the processes whose lines do not fit. A person is told, once until it works again. */
  write(chunk: string | Buffer): void;
  close(): void;
}

/**
 * Appends to `<dataDir>/logs/<name>.log`; a file above 10 MiB becomes `.1` first.
 * @param say tells a person that lines are lost, and why
 * @throws the system's error if the file cannot be opened
 */
export const openLog = (dataDir: string, name: string, say: (line: string) => void = console.error): LogFile => {
  const directory = join(dataDir, 'logs');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${name}.log`);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LIMIT_BYTES) renameSync(path, `${path}.1`);
  const file = openSync(path, 'a');
  let isLosing = false;
  return {
    write: (chunk) => {
      try {
        writeSync(file, typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
        isLosing = false;
      } catch (error) {
        if (!isLosing) say(`${path} takes no lines, and they are lost: ${(error as Error).message}`);
        isLosing = true;
      }
    },
    close: () => {
      closeSync(file);
    },
  };
};
