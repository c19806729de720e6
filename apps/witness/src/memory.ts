import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** What a witness remembers of a log: the checkpoint that it has co-signed last. */
export interface Remembered {
  readonly size: number;
  readonly root: Uint8Array;
  /** The note with the witness' signature. */
  readonly note: string;
}

/**
 * What a witness has signed, on its own disk. A witness that forgets signs two histories, so nothing is answered before
 * it is stored, and comparing with what is stored and storing are one transaction: also between two processes.
 */
export class Memory {
  readonly #database: DatabaseSync;

  constructor(folder: string) {
    this.#database = new DatabaseSync(join(folder, 'witness.sqlite'), { timeout: 5_000 });
    this.#database.exec(`
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS cosigned (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL)`);
  }

  get(origin: string): Remembered | undefined {
    return this.#database.prepare('SELECT size, root, note FROM cosigned WHERE origin = ?').get(origin) as
      Remembered | undefined;
  }

  /**
   * Hands the remembered checkpoint to `next`, and remembers what it gives back, in one transaction. If it throws,
   * nothing has changed.
   */
  update(origin: string, next: (remembered: Remembered | undefined) => Remembered): Remembered {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const { size, root, note } = next(this.get(origin));
      this.#database.prepare('INSERT OR REPLACE INTO cosigned VALUES (?, ?, ?, ?)').run(origin, size, root, note);
      this.#database.exec('COMMIT');
      return { size, root, note };
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }
}
