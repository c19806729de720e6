import { hash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ALL_TRAFFIC_BPS, revisionOfBucket, type RouteEntry, routeEntry, splitBucket } from '@kontor/domain/deployment';
import { z } from 'zod';

export type RoutedRevision = RouteEntry['revisions'][number];

const sha256 = (text: string): Uint8Array => hash('sha256', text, 'buffer');

const savedTable = z.array(routeEntry);

/** The revision that `split@1` gives a key; undefined if no revision has traffic. */
export const revisionFor = (route: RouteEntry, key: string): RoutedRevision | undefined =>
  // One with all of the traffic has every bucket: nothing to hash.
  route.revisions.find(({ weightBps }) => weightBps === ALL_TRAFFIC_BPS) ??
  revisionOfBucket(route.revisions, splitBucket(sha256, route.salt, key));

/** The routes of this process: whole entries, each replaced only by a newer one. */
export class RouteTable {
  readonly #routes = new Map<string, RouteEntry>();

  get(endpoint: string): RouteEntry | undefined {
    return this.#routes.get(endpoint);
  }

  all(): readonly RouteEntry[] {
    return [...this.#routes.values()];
  }

  /** @returns false if the entry is older than, or equal to, what is known: KV may deliver twice and out of order */
  apply(entry: RouteEntry): boolean {
    const known = this.#routes.get(entry.endpoint);
    if (known && known.streamVersion >= entry.streamVersion) return false;
    this.#routes.set(entry.endpoint, entry);
    return true;
  }
}

/** The table on disk, so that a process that starts while NATS is away serves what it served before. */
export class RouteFile {
  #writing: Promise<void> = Promise.resolve();

  constructor(private readonly file: string) {}

  /** @returns the entries of the last write; none if there was no write. @throws Error if the file is not a table */
  async read(): Promise<readonly RouteEntry[]> {
    let text: string;
    try {
      text = await readFile(this.file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    return savedTable.parse(JSON.parse(text));
  }

  /** Replaces the file as a whole. Writes follow each other; the last one wins. */
  write(entries: readonly RouteEntry[]): Promise<void> {
    const text = JSON.stringify(entries);
    const write = async (): Promise<void> => {
      await mkdir(dirname(this.file), { recursive: true });
      await writeFile(`${this.file}.new`, text, { mode: 0o600 });
      await rename(`${this.file}.new`, this.file);
    };
    // A write that failed must not keep the next one from being tried.
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }
}
