import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { stillHoldsOn } from '../archive/legal-holds.js';
import { KeyUnusable, OnLegalHold } from '../errors.js';
import { inTransaction } from '../transaction.js';
import { type Ciphertext, decrypt, encrypt, IV_BYTES, KEY_BYTES } from './cipher.js';

/** One version of a person's data key. */
export interface DataKey {
  /** `<subject>/<n>` */
  readonly id: string;
  /** Undefined once it is destroyed. */
  readonly key: Buffer | undefined;
}

/** Which data key of an installation. */
export interface KeyName {
  readonly workspace: string;
  /** See {@link DataKey.id}. */
  readonly id: string;
}

export interface KeyStanding {
  readonly keyVersion: number;
  readonly keyLeft: boolean;
}

interface Row {
  readonly subject: string;
  readonly version: number;
  readonly wrapped: Buffer | null;
}

const aadOf = (workspace: string, { subject, version }: Pick<Row, 'subject' | 'version'>): string =>
  JSON.stringify([workspace, subject, version]);

const partsOf = (id: string): { readonly subject: string; readonly version: string } => ({
  subject: id.slice(0, id.lastIndexOf('/')),
  version: id.slice(id.lastIndexOf('/') + 1),
});

const join = ({ iv, ct }: Ciphertext): Buffer => Buffer.concat([iv, ct]);
const split = (wrapped: Buffer): Ciphertext => ({ iv: wrapped.subarray(0, IV_BYTES), ct: wrapped.subarray(IV_BYTES) });

/** While a key goes, the head row is locked and appends wait: for a key store that does not answer no longer than this. */
const APPENDS_WAIT_MS = 5_000;

/** The data keys of persons, each wrapped by the key-encryption key, which is never in the database. */
export class KeyStore {
  constructor(
    private readonly pool: pg.Pool,
    private readonly kek: Uint8Array,
  ) {}

  /** The key that encrypts for a person now: the newest version, or a new one if there is none or it is destroyed. */
  async current(workspace: string, subject: string): Promise<DataKey> {
    for (;;) {
      const newest = await this.#newest(workspace, subject);
      if (newest && newest.wrapped !== null) return this.#toKey(workspace, newest);
      const row = { subject, version: (newest?.version ?? 0) + 1 };
      const wrapped = join(encrypt(this.kek, aadOf(workspace, row), randomBytes(KEY_BYTES)));
      // Whoever comes second finds the key of the first.
      await this.pool.query(
        `INSERT INTO keys.data_key (workspace, subject, version, wrapped) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
        [workspace, subject, row.version, wrapped],
      );
    }
  }

  /** The keys with these ids that the store knows, in any order. */
  async find(workspace: string, ids: readonly string[]): Promise<readonly DataKey[]> {
    const parts = ids.map(partsOf);
    const { rows } = await this.pool.query<Row>({
      name: 'keys_find',
      text: `SELECT subject, version, wrapped FROM keys.data_key
             JOIN unnest($2::text[], $3::int[]) AS wanted(subject, version) USING (subject, version) WHERE workspace = $1`,
      values: [workspace, parts.map(({ subject }) => subject), parts.map(({ version }) => version)],
    });
    return rows.map((row) => this.#toKey(workspace, row));
  }

  /** Those of the keys that are destroyed, or that the store does not have (it may be a restored one). */
  async destroyedOf(keys: readonly KeyName[]): Promise<readonly KeyName[]> {
    const parts = keys.map(({ id }) => partsOf(id));
    const { rows } = await this.pool.query<{ workspace: string; id: string }>({
      name: 'keys_destroyed_of',
      text: `SELECT workspace, subject || '/' || version AS id
             FROM unnest($1::text[], $2::text[], $3::int[]) AS kept(workspace, subject, version)
             WHERE NOT EXISTS (SELECT FROM keys.data_key key WHERE key.wrapped IS NOT NULL
               AND (key.workspace, key.subject, key.version) = (kept.workspace, kept.subject, kept.version))`,
      values: [
        keys.map(({ workspace }) => workspace),
        parts.map(({ subject }) => subject),
        parts.map(({ version }) => version),
      ],
    });
    return rows;
  }

  /** Version of a person's newest key, destroyed or not (0 for a person of whom nothing was stored), and whether any is left. */
  async standing(workspace: string, subject: string): Promise<KeyStanding> {
    const { rows } = await this.pool.query<KeyStanding>(
      `SELECT coalesce(max(version), 0) AS "keyVersion", count(wrapped) > 0 AS "keyLeft" FROM keys.data_key
       WHERE workspace = $1 AND subject = $2`,
      [workspace, subject],
    );
    return rows[0] ?? { keyVersion: 0, keyLeft: false };
  }

  /**
   * Destroys all versions of a person's key up to one. The table is written anew, so that no page of it holds the wrapped key
   * any more; what the server's write-ahead log still holds goes when its segments are recycled.
   *
   * Legal holds are looked for between the change and its commit, under the lock of the log: none is placed in between, and
   * appends wait for the commit alone.
   *
   * @param log sessions of a role that may destroy keys
   * @throws OnLegalHold if the workspace has a hold; its keys are left
   */
  async destroy(log: pg.Pool, workspace: string, subject: string, upToVersion: number): Promise<void> {
    await inTransaction(
      log,
      (logClient) =>
        inTransaction(this.pool, async (keys) => {
          await keys.query(
            `UPDATE keys.data_key SET wrapped = NULL, destroyed_at = clock_timestamp()
             WHERE workspace = $1 AND subject = $2 AND version <= $3 AND wrapped IS NOT NULL`,
            [workspace, subject, upToVersion],
          );
          const holds = await stillHoldsOn(logClient, workspace);
          if (holds.length > 0) throw new OnLegalHold(workspace, holds);
        }),
      `BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${APPENDS_WAIT_MS}`,
    );
    await this.pool.query('VACUUM (FULL) keys.data_key');
  }

  async #newest(workspace: string, subject: string): Promise<Row | undefined> {
    const { rows } = await this.pool.query<Row>({
      name: 'keys_newest',
      text: `SELECT subject, version, wrapped FROM keys.data_key
             WHERE workspace = $1 AND subject = $2 ORDER BY version DESC LIMIT 1`,
      values: [workspace, subject],
    });
    return rows[0];
  }

  /** @throws KeyUnusable if the key was wrapped by another key-encryption key. */
  #toKey(workspace: string, row: Row): DataKey {
    const { subject, version, wrapped } = row;
    const id = `${subject}/${version}`;
    if (wrapped === null) return { id, key: undefined };
    try {
      return { id, key: decrypt(this.kek, aadOf(workspace, row), split(wrapped)) };
    } catch (error) {
      throw new KeyUnusable(`the key ${id} was not wrapped by this key-encryption key`, { cause: error });
    }
  }
}
