import { createHmac } from 'node:crypto';
import {
  ERASED,
  type EventSchemas,
  personalFields,
  replacedAt,
  type EncryptedText,
  encryptedTextsIn,
  valueAt,
  withoutEncryptedTexts,
} from '@kontor/event-sourcing';
import type pg from 'pg';
import { isTransient, KeysUnavailable, KeyUnusable } from '../errors.js';
import { decrypt, encrypt } from './cipher.js';
import { type DataKey, type KeyStanding, KeyStore } from './key-store.js';

/** An erased key is gone from the memory of every process after this time. */
export const KEY_LIFETIME_MS = 10_000;
/** Some megabytes. */
const MAX_KEYS = 10_000;

interface EventToEncrypt {
  readonly workspace: string;
  readonly actor: string;
  readonly eventId: string;
  readonly schema: EventSchemas[string];
  /** As the schema accepts it. */
  readonly data: unknown;
}

export interface PersonalDataOptions {
  /** Of the database of the keys; see `keyStoreUrl`. */
  readonly pool: pg.Pool;
  /** The key-encryption key, 32 bytes, from a file outside of the database. */
  readonly kek: Uint8Array;
}

/** What AAD binds a ciphertext to: it opens at this place of this event and nowhere else. */
const placeOf = (eventId: string, pointer: string): string => eventId + pointer;

/**
 * Encrypts personal data before it is appended and decrypts what is read, with one key per person.
 *
 * Keys are kept for {@link KEY_LIFETIME_MS} at most. All methods throw KeysUnavailable while the key store is away.
 */
export class PersonalData {
  readonly #store: KeyStore;
  readonly #kept = new Map<string, DataKey>();
  readonly #current = new Map<string, DataKey>();
  readonly #timer: NodeJS.Timeout;
  /** Called whenever the kept keys are forgotten: whatever was decrypted with them must be forgotten too. */
  onForget: (() => void) | undefined;

  constructor(private readonly options: PersonalDataOptions) {
    this.#store = new KeyStore(options.pool, options.kek);
    this.#timer = setInterval(() => this.forget(), KEY_LIFETIME_MS).unref();
  }

  /** Ends the session with the key store. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.forget();
    await this.options.pool.end();
  }

  /** Drops all keys from memory. */
  forget(): void {
    this.#kept.clear();
    this.#current.clear();
    this.onForget?.();
  }

  /** The data as it is stored, and the JSON Pointers of what is encrypted in it. */
  async encrypt(event: EventToEncrypt): Promise<{ readonly data: unknown; readonly encrypted: readonly string[] }> {
    const { workspace, actor, eventId, schema } = event;
    const fields = personalFields(schema, event.data);
    let { data } = event;
    for (const { pointer, subject } of fields) {
      const person = subject === 'actor' ? actor : String(valueAt(event.data, subject));
      const { id, key } = await this.#currentKey(workspace, person);
      const text = Buffer.from(JSON.stringify(valueAt(event.data, pointer)));
      const { iv, ct } = encrypt(key, placeOf(eventId, pointer), text);
      data = replacedAt(data, pointer, { $enc: { k: id, iv: iv.toString('base64'), ct: ct.toString('base64') } });
    }
    return { data, encrypted: fields.map(({ pointer }) => pointer) };
  }

  /**
   * The JSON value with every encrypted text as the person wrote it, or as {@link ERASED} if its key was destroyed.
   *
   * @throws KeyUnusable if a key is unknown; Error if a text was moved or changed.
   */
  async open<Value>(workspace: string, value: Value): Promise<Value> {
    const found = encryptedTextsIn(value);
    if (found.length === 0) return value;
    const keys = await this.#keys(workspace, new Set(found.map(({ k }) => k)));
    return withoutEncryptedTexts(value, ({ k, iv, ct, at: [eventId, pointer] }: EncryptedText) => {
      const key = keys.get(k)?.key;
      if (key === undefined) return ERASED;
      const text = decrypt(key, placeOf(eventId, pointer), {
        iv: Buffer.from(iv, 'base64'),
        ct: Buffer.from(ct, 'base64'),
      });
      return JSON.parse(text.toString()) as unknown;
    }) as Value;
  }

  /**
   * The hash under which a command is remembered: as it is, or keyed by who sends it if the command holds personal data. A plain
   * hash would stay after an erasure and tell a guessed text from a wrong one.
   */
  async blind(
    { workspace, actor, schema, data }: Omit<EventToEncrypt, 'eventId'>,
    hash: Uint8Array,
  ): Promise<Uint8Array> {
    if (personalFields(schema, data).length === 0) return hash;
    const { key } = await this.#currentKey(workspace, actor);
    return createHmac('sha256', key).update(hash).digest();
  }

  /** See {@link KeyStore.standing}. */
  standing(workspace: string, subject: string): Promise<KeyStanding> {
    return this.#asking(() => this.#store.standing(workspace, subject));
  }

  /** See {@link KeyStore.destroy}; this process forgets at once. */
  async destroy(log: pg.Pool, workspace: string, subject: string, upToVersion: number): Promise<void> {
    await this.#asking(() => this.#store.destroy(log, workspace, subject, upToVersion));
    this.forget();
  }

  async #currentKey(workspace: string, subject: string): Promise<{ readonly id: string; readonly key: Buffer }> {
    const name = JSON.stringify([workspace, subject]);
    const { id, key } = this.#current.get(name) ?? (await this.#asking(() => this.#store.current(workspace, subject)));
    if (key === undefined) throw new TypeError(`the newest key of ${subject} is destroyed`);
    this.#keep(this.#current, name, { id, key });
    return { id, key };
  }

  /** The keys by id. @throws KeyUnusable if the store does not know one. */
  async #keys(workspace: string, ids: ReadonlySet<string>): Promise<ReadonlyMap<string, DataKey>> {
    const nameOf = (id: string): string => JSON.stringify([workspace, id]);
    const found = new Map<string, DataKey>();
    for (const id of ids) {
      const kept = this.#kept.get(nameOf(id));
      if (kept) found.set(id, kept);
    }
    const missing = [...ids].filter((id) => !found.has(id));
    if (missing.length === 0) return found;
    for (const key of await this.#asking(() => this.#store.find(workspace, missing))) {
      found.set(key.id, key);
      this.#keep(this.#kept, nameOf(key.id), key);
    }
    const unknown = missing.find((id) => !found.has(id));
    if (unknown !== undefined)
      throw new KeyUnusable(`the key store has no key ${unknown}: was it restored from before the key was made?`);
    return found;
  }

  #keep(keys: Map<string, DataKey>, name: string, key: DataKey): void {
    keys.delete(name);
    keys.set(name, key);
    if (keys.size <= MAX_KEYS) return;
    const [oldest] = keys.keys();
    if (oldest !== undefined) keys.delete(oldest);
  }

  async #asking<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      throw isTransient(error) ? new KeysUnavailable(error) : error;
    }
  }
}
