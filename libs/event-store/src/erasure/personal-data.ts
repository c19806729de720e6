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

/** A destroyed key, and what was opened with it, is gone from the memory of every process after this time. */
const KEY_LIFETIME_MS = 10_000;
/** Whether the kept keys still stand is asked this often; an answer that is not there at the next time counts as a no. */
const CHECK_MS = KEY_LIFETIME_MS / 2;
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

/** Data as it is stored. */
interface EncryptedData {
  readonly data: unknown;
  /** JSON Pointers of what is encrypted in it. */
  readonly encrypted: readonly string[];
  /** Ids of the keys that it is encrypted with. */
  readonly keys: readonly string[];
}

/** What AAD binds a ciphertext to: it opens at this place of this event and nowhere else. */
const placeOf = (eventId: string, pointer: string): string => eventId + pointer;

interface KeptKey extends DataKey {
  readonly workspace: string;
}

const nameOf = (workspace: string, id: string): string => JSON.stringify([workspace, id]);

/**
 * Encrypts personal data before it is appended and decrypts what is read, with one key per person.
 *
 * Keys are kept while they stand: {@link KEY_LIFETIME_MS} after one was destroyed it is forgotten. All methods throw KeysUnavailable
 * while the key store is away, and then all keys are forgotten.
 */
export class PersonalData {
  readonly #store: KeyStore;
  /** Every key in memory, the oldest first. */
  readonly #kept = new Map<string, KeptKey>();
  /** The kept key that encrypts for a person now. */
  readonly #current = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;
  #isChecking = false;
  /** When all that is kept was known to stand. */
  #stoodAtMs = performance.now();
  /**
   * Called when keys are forgotten: whatever was opened with them must be forgotten too. With the ids of the keys, which other
   * workspaces may have as well; without any if it is all of them.
   */
  onForget: ((keys?: ReadonlySet<string>) => void) | undefined;

  constructor(private readonly options: PersonalDataOptions) {
    this.#store = new KeyStore(options.pool, options.kek);
    this.#timer = setInterval(() => void this.check(), CHECK_MS).unref();
  }

  /** Ends the session with the key store. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.forget();
    await this.options.pool.end();
  }

  /** Drops all keys from memory. */
  forget(): void {
    this.#stoodAtMs = performance.now();
    this.#kept.clear();
    this.#current.clear();
    this.onForget?.();
  }

  /** Drops the keys that do not stand any more; all of them if the key store does not say. Never rejects. */
  async check(): Promise<void> {
    if (this.#isChecking) {
      this.forget();
      return;
    }
    this.#isChecking = true;
    const askedAtMs = performance.now();
    try {
      const asked = [...this.#kept.values()];
      const destroyed = asked.length > 0 ? await this.#store.destroyedOf(asked) : [];
      this.#drop(destroyed.map(({ workspace, id }) => nameOf(workspace, id)));
      this.#stoodAtMs = askedAtMs;
    } catch {
      // Whoever needs a key next asks the store, and is told.
      this.forget();
    } finally {
      this.#isChecking = false;
    }
  }

  /** The data with every personal value encrypted under the key of its person, which is made if there is none. */
  async encrypt(event: EventToEncrypt): Promise<EncryptedData> {
    const { workspace, actor, eventId, schema } = event;
    const fields = personalFields(schema, event.data);
    const keys = new Set<string>();
    let { data } = event;
    for (const { pointer, subject } of fields) {
      const person = subject === 'actor' ? actor : String(valueAt(event.data, subject));
      const { id, key } = await this.#currentKey(workspace, person);
      const text = Buffer.from(JSON.stringify(valueAt(event.data, pointer)));
      const { iv, ct } = encrypt(key, placeOf(eventId, pointer), text);
      data = replacedAt(data, pointer, { $enc: { k: id, iv: iv.toString('base64'), ct: ct.toString('base64') } });
      keys.add(id);
    }
    return { data, encrypted: fields.map(({ pointer }) => pointer), keys: [...keys] };
  }

  /**
   * The JSON value with every encrypted text as the person wrote it, or as {@link ERASED} if its key was destroyed.
   *
   * @returns the same object if nothing in it is encrypted.
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

  /** A process that was suspended has asked nothing for longer, and comes back before its timer does. */
  #forgetUnlessChecked(): void {
    if (performance.now() - this.#stoodAtMs > KEY_LIFETIME_MS) this.forget();
  }

  async #currentKey(workspace: string, subject: string): Promise<{ readonly id: string; readonly key: Buffer }> {
    this.#forgetUnlessChecked();
    const person = JSON.stringify([workspace, subject]);
    const kept = this.#kept.get(this.#current.get(person) ?? '');
    const { id, key } = kept ?? (await this.#asking(() => this.#store.current(workspace, subject)));
    if (key === undefined) throw new TypeError(`the newest key of ${subject} is destroyed`);
    if (!kept) this.#current.set(person, this.#keep(workspace, { id, key }));
    return { id, key };
  }

  /** The keys by id. @throws KeyUnusable if the store does not know one. */
  async #keys(workspace: string, ids: ReadonlySet<string>): Promise<ReadonlyMap<string, DataKey>> {
    this.#forgetUnlessChecked();
    const found = new Map<string, DataKey>();
    for (const id of ids) {
      const kept = this.#kept.get(nameOf(workspace, id));
      if (kept) found.set(id, kept);
    }
    const missing = [...ids].filter((id) => !found.has(id));
    if (missing.length === 0) return found;
    for (const key of await this.#asking(() => this.#store.find(workspace, missing))) {
      found.set(key.id, key);
      if (key.key !== undefined) this.#keep(workspace, key);
    }
    const unknown = missing.find((id) => !found.has(id));
    if (unknown !== undefined)
      throw new KeyUnusable(`the key store has no key ${unknown}: was it restored from before the key was made?`);
    return found;
  }

  /** @returns the name under which the key is kept. */
  #keep(workspace: string, { id, key }: DataKey): string {
    const name = nameOf(workspace, id);
    this.#kept.set(name, { workspace, id, key });
    // Many at a time: with each go the states that were folded with it.
    if (this.#kept.size > MAX_KEYS) this.#drop([...this.#kept.keys()].slice(0, MAX_KEYS / 10));
    return name;
  }

  #drop(names: readonly string[]): void {
    const ids = new Set<string>();
    for (const name of names) {
      const key = this.#kept.get(name);
      if (key) ids.add(key.id);
      this.#kept.delete(name);
    }
    if (ids.size === 0) return;
    for (const [person, name] of this.#current) if (!this.#kept.has(name)) this.#current.delete(person);
    this.onForget?.(ids);
  }

  async #asking<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      throw isTransient(error) ? new KeysUnavailable(error) : error;
    }
  }
}
