import type pg from 'pg';
import { decrypt, encrypt, IV_BYTES } from './erasure/cipher.js';
import { isTransient, KeysUnavailable, KeyUnusable } from './errors.js';

/** One version of a secret. */
export interface SecretName {
  readonly workspace: string;
  /** What the secret belongs to, unique in its workspace, such as `webhook/<id>`. */
  readonly owner: string;
  readonly version: number;
}

interface Stored {
  readonly version: number;
  readonly sealed: Buffer;
}

/** A ciphertext opens under the name that it was stored under and nowhere else. */
const aadOf = ({ workspace, owner, version }: SecretName): string =>
  JSON.stringify(['secret', workspace, owner, version]);

/**
 * Secrets that must be read again, such as those that sign webhooks: in the database of the keys, encrypted by the
 * key-encryption key, which is in a file. Events and rows name a version and never hold the secret, so neither the log nor
 * a read model nor this database shows it, each alone or all together.
 *
 * All methods throw KeysUnavailable while the key store is away.
 */
export class SecretStore {
  constructor(
    private readonly pool: pg.Pool,
    private readonly kek: Uint8Array,
  ) {}

  /** Stores a secret. @returns its version: a new one, or that of the newest if it is the same secret. */
  put(workspace: string, owner: string, secret: string): Promise<number> {
    return this.#asking(async () => {
      for (;;) {
        const newest = await this.#newest(workspace, owner);
        if (newest && this.#open({ workspace, owner, version: newest.version }, newest.sealed) === secret)
          return newest.version;
        const version = (newest?.version ?? 0) + 1;
        const { iv, ct } = encrypt(this.kek, aadOf({ workspace, owner, version }), Buffer.from(secret));
        // Whoever comes second looks again.
        const { rowCount } = await this.pool.query(
          'INSERT INTO keys.secret (workspace, owner, version, sealed) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
          [workspace, owner, version, Buffer.concat([iv, ct])],
        );
        if (rowCount === 1) return version;
      }
    });
  }

  /** @throws KeyUnusable if there is no such version, or another key-encryption key has encrypted it. */
  find(name: SecretName): Promise<string> {
    return this.#asking(async () => {
      const { workspace, owner, version } = name;
      const { rows } = await this.pool.query<Stored>(
        'SELECT version, sealed FROM keys.secret WHERE workspace = $1 AND owner = $2 AND version = $3',
        [workspace, owner, version],
      );
      const [row] = rows;
      if (!row) throw new KeyUnusable(`the key store has no secret ${version} of ${owner}`);
      return this.#open(name, row.sealed);
    });
  }

  /** Deletes all versions of what is no more. */
  async forget(workspace: string, owner: string): Promise<void> {
    await this.#asking(() =>
      this.pool.query('DELETE FROM keys.secret WHERE workspace = $1 AND owner = $2', [workspace, owner]),
    );
  }

  async #newest(workspace: string, owner: string): Promise<Stored | undefined> {
    const { rows } = await this.pool.query<Stored>(
      'SELECT version, sealed FROM keys.secret WHERE workspace = $1 AND owner = $2 ORDER BY version DESC LIMIT 1',
      [workspace, owner],
    );
    return rows[0];
  }

  #open(name: SecretName, sealed: Buffer): string {
    try {
      const ciphertext = { iv: sealed.subarray(0, IV_BYTES), ct: sealed.subarray(IV_BYTES) };
      return decrypt(this.kek, aadOf(name), ciphertext).toString();
    } catch (error) {
      const { owner, version } = name;
      throw new KeyUnusable(`the secret ${version} of ${owner} was not encrypted by this key-encryption key`, {
        cause: error,
      });
    }
  }

  async #asking<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      throw isTransient(error) ? new KeysUnavailable(error) : error;
    }
  }
}
