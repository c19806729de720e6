import type { AppendRequest, NewEvent } from '@kontor/event-sourcing';
import type pg from 'pg';
import { createEventStore, createPool, type PostgresEventStore } from './event-store.js';
import { LOGIN_ROLES, prepareDatabase } from './prepare-database.js';

export const ORIGIN = 'kontor.example/log/0';
/** Roles are shared by all databases of a server, so all specs give them the same passwords. */
export const PASSWORDS: Readonly<Record<string, string>> = Object.fromEntries(
  LOGIN_ROLES.map((role) => [role, 'kontor-test']),
);

/** An empty log in a database of its own, for specs. */
export interface LogFixture {
  readonly adminUrl: string;
  readonly admin: pg.Pool;
  readonly urlFor: (role: string) => string;
  readonly pool: (role: string) => pg.Pool;
  readonly store: (role?: string) => PostgresEventStore;
  /** Ends every connection; the database stays. */
  readonly disconnect: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export const openLog = async (database: { url: string; drop: () => Promise<void> }): Promise<LogFixture> => {
  const name = new URL(database.url).pathname.slice(1);
  const options = { adminUrl: database.url, database: name, passwords: PASSWORDS, origin: ORIGIN };
  const { urlFor } = await prepareDatabase(options);
  const pools: pg.Pool[] = [];
  const stores: PostgresEventStore[] = [];
  const open = (connectionString: string): pg.Pool => {
    const pool = createPool({ connectionString });
    pools.push(pool);
    return pool;
  };
  const disconnect = async (): Promise<void> => {
    await Promise.all(stores.map((store) => store.close()));
    await Promise.all(pools.map((pool) => pool.end()));
  };
  return {
    adminUrl: database.url,
    admin: open(database.url),
    urlFor,
    pool: (role) => open(urlFor(role)),
    store: (role = 'kontor_registry') => {
      const store = createEventStore({ connectionString: urlFor(role) }, { upcasters: {} });
      stores.push(store);
      return store;
    },
    disconnect,
    close: async () => {
      await disconnect();
      await database.drop();
    },
  };
};

/** Builds requests whose ids come from `uuid`. */
export const requests = (uuid: () => string) => {
  const event = (type: string, data: unknown = {}): NewEvent => ({
    eventId: uuid(),
    type,
    schemaVersion: 1,
    data,
    meta: { correlationId: uuid(), actorKind: 'person' },
  });
  return {
    event,
    /** One command that appends events to one stream, whatever its version. */
    append: (stream: string, events: readonly NewEvent[], overrides: Partial<AppendRequest> = {}): AppendRequest => ({
      commandId: uuid(),
      requestHash: new Uint8Array(32),
      actor: 'ada',
      writes: [{ stream, expected: 'any', events }],
      ...overrides,
    }),
  };
};
