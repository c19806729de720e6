import { randomBytes } from 'node:crypto';
import { ERASED, personal, readData } from '@kontor/event-sourcing';
import { eventually, testDatabase, uuidv7 } from '@kontor/testing';
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { createPool } from '../event-store.js';
import { KeyUnusable, OnLegalHold } from '../errors.js';
import { type LogFixture, openLog } from '../log.fixture.js';
import { PersonalData } from './personal-data.js';
import { keyStoreUrl } from './prepare-key-store.js';

const schema = z.strictObject({ by: z.string(), value: personal(z.unknown() as z.ZodType, { subject: '/by' }) });
const workspace = 'default';
const kek = randomBytes(32);
let log: LogFixture;
const opened: PersonalData[] = [];

/** Sessions of the log, for who may destroy keys. */
let eraser: pg.Pool;

const asRole = (role: string, key: Uint8Array = kek): PersonalData => {
  const data = new PersonalData({
    pool: createPool({ connectionString: keyStoreUrl(log.urlFor(role)), max: 2 }),
    kek: key,
  });
  opened.push(data);
  return data;
};

/** One event as it is stored. */
const store = async (personalData: PersonalData, by: string, value: unknown) => {
  const eventId = uuidv7();
  const { data, encrypted } = await personalData.encrypt({
    ...{ workspace, actor: 'nobody', eventId, schema },
    data: { by, value },
  });
  const meta = { correlationId: eventId, actorKind: 'person' as const, encrypted };
  return { eventId, type: 'T', schemaVersion: 1, meta, data };
};
const keyOf = ({ data }: { readonly data: unknown }): string =>
  (data as { value: { $enc: { k: string } } }).value.$enc.k;
const read = (personalData: PersonalData, { data, ...event }: Awaited<ReturnType<typeof store>>) =>
  personalData.open(workspace, readData({}, event, data));

beforeAll(async () => {
  log = await openLog(await testDatabase());
  eraser = log.pool('kontor_governance');
});
afterEach(async () => {
  for (const data of opened.splice(0)) await data.close();
});
afterAll(() => log.close());

describe('personal data', () => {
  it('comes back from the ciphertext as it was, whatever JSON it is', async () => {
    const registry = asRole('kontor_registry');
    const gateway = asRole('kontor_gateway');
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1 }), fc.jsonValue(), async (by, value) => {
        const person = by.replaceAll('\0', '0');
        const event = await store(registry, person.isWellFormed() ? person : 'x', value);
        // JSON has no minus zero.
        const wanted = JSON.parse(JSON.stringify(value)) as unknown;
        if (value !== null) expect(JSON.stringify(event.data)).toContain('$enc');
        expect(await read(gateway, event)).toMatchObject({ value: wanted });
      }),
      { numRuns: 100 },
    );
  });

  it('does not open in another event, at another place, or changed', async () => {
    const registry = asRole('kontor_registry');
    const event = await store(registry, 'ada', 'secret');
    await expect(read(registry, { ...event, eventId: uuidv7() })).rejects.toThrow(/authenticate/);
    const moved = {
      ...event,
      meta: { ...event.meta, encrypted: ['/by'] },
      data: { by: (event.data as { value: unknown }).value, value: 'x' },
    };
    await expect(read(registry, moved)).rejects.toThrow(/authenticate/);
    const text = JSON.stringify(event.data);
    const changed = text.replace(/"ct":"(.)/, (_, first: string) => `"ct":"${first === 'A' ? 'B' : 'A'}`);
    await expect(read(registry, { ...event, data: JSON.parse(changed) as unknown })).rejects.toThrow(/authenticate/);
  });

  it('has one key per person, whoever makes it first', async () => {
    const writers = ['kontor_registry', 'kontor_monitoring', 'kontor_governance'].map((role) => asRole(role));
    const events = await Promise.all(writers.flatMap((writer) => [store(writer, 'carl', 1), store(writer, 'carl', 2)]));
    const keys = events.map(keyOf);
    expect(new Set(keys)).toEqual(new Set(['carl/1']));
  });

  it('is a marker once the key is destroyed, and only that person is erased', async () => {
    const registry = asRole('kontor_registry');
    const governance = asRole('kontor_governance');
    const [hers, his] = [await store(registry, 'dora', 'her words'), await store(registry, 'emil', 'his words')];
    const elsewhere = asRole('kontor_gateway');
    expect(await governance.standing(workspace, 'dora')).toEqual({ keyVersion: 1, keyLeft: true });
    expect(await governance.standing(workspace, 'nobody')).toEqual({ keyVersion: 0, keyLeft: false });
    await governance.destroy(eraser, 'other', 'dora', 1);
    expect(await read(elsewhere, hers)).toEqual({ by: 'dora', value: 'her words' });
    await governance.destroy(eraser, workspace, 'dora', 1);
    elsewhere.forget();
    expect(await governance.standing(workspace, 'dora')).toEqual({ keyVersion: 1, keyLeft: false });
    expect(await read(elsewhere, hers)).toEqual({ by: 'dora', value: ERASED });
    expect(await read(elsewhere, his)).toEqual({ by: 'emil', value: 'his words' });

    registry.forget();
    const later = await store(registry, 'dora', 'a new life');
    expect(later.data).toMatchObject({ value: { $enc: { k: 'dora/2' } } });
    expect(await read(elsewhere, later)).toMatchObject({ value: 'a new life' });
    expect(await read(elsewhere, hers)).toMatchObject({ value: ERASED });
    await governance.destroy(eraser, workspace, 'dora', 1);
    elsewhere.forget();
    expect(await read(elsewhere, later)).toMatchObject({ value: 'a new life' });
  });

  it('is forgotten in every process once its key is destroyed, and what others wrote is kept', async () => {
    const [registry, governance, gateway] = [
      asRole('kontor_registry'),
      asRole('kontor_governance'),
      asRole('kontor_gateway'),
    ];
    const [hers, his] = [await store(registry, 'jane', 'her words'), await store(registry, 'kurt', 'his words')];
    expect(keyOf(hers)).toBe('jane/1');
    for (const event of [hers, his]) await read(gateway, event);
    const forgotten: (readonly string[] | undefined)[] = [];
    for (const data of [registry, gateway]) data.onForget = (keys) => forgotten.push(keys && [...keys]);
    for (const data of [registry, gateway]) await data.check();
    expect(forgotten).toEqual([]);

    await governance.destroy(eraser, workspace, 'jane', 1);
    for (const data of [registry, gateway]) await data.check();
    expect(forgotten).toEqual([['jane/1'], ['jane/1']]);
    expect(await read(gateway, hers)).toEqual({ by: 'jane', value: ERASED });
    expect(await read(gateway, his)).toEqual({ by: 'kurt', value: 'his words' });
    expect(keyOf(await store(registry, 'jane', 'a new life'))).toBe('jane/2');
    expect(keyOf(await store(registry, 'kurt', 'more'))).toBe('kurt/1');
    for (const data of [registry, gateway]) await data.check();
    expect(forgotten).toHaveLength(2);
  });

  it('is forgotten as a whole when nobody can say whether its keys stand', async () => {
    const pool = createPool({ connectionString: keyStoreUrl(log.urlFor('kontor_registry')), max: 1 });
    const registry = new PersonalData({ pool, kek });
    opened.push(registry);
    await store(registry, 'lena', 'x');
    const forgotten: unknown[] = [];
    registry.onForget = (keys) => forgotten.push(keys);
    // The only session is taken: the first answer is not there when the second is asked for.
    const session = await pool.connect();
    const first = registry.check();
    await registry.check();
    expect(forgotten).toEqual([undefined]);
    session.release();
    await first;
    expect(forgotten).toEqual([undefined]);

    await store(registry, 'lena', 'y');
    const keys = createPool({ connectionString: keyStoreUrl(log.adminUrl) });
    await keys.query('REVOKE SELECT ON keys.data_key FROM kontor_registry');
    await registry.check();
    await keys.query('GRANT SELECT ON keys.data_key TO kontor_registry');
    await keys.end();
    expect(forgotten).toEqual([undefined, undefined]);
  });

  it('is not opened with a key that nobody asked about for 10 s, as after a suspended process goes on', async () => {
    const [gateway, governance] = [asRole('kontor_gateway'), asRole('kontor_governance')];
    const event = await store(governance, 'mona', 'her words');
    expect(await read(gateway, event)).toMatchObject({ value: 'her words' });
    await governance.destroy(eraser, workspace, 'mona', 1);
    const later = performance.now() + 10_001;
    vi.spyOn(performance, 'now').mockReturnValue(later);
    expect(await read(gateway, event)).toMatchObject({ value: ERASED });
    vi.restoreAllMocks();
  });

  it('is not confused with what was erased when a key is missing or the key file is another one', async () => {
    const event = await store(asRole('kontor_registry'), 'fred', 'x');
    const [, unknown] = [
      event,
      { ...event, data: JSON.parse(JSON.stringify(event.data).replace('fred/1', 'fred/9')) as unknown },
    ];
    await expect(read(asRole('kontor_gateway'), unknown)).rejects.toBeInstanceOf(KeyUnusable);
    await expect(read(asRole('kontor_gateway', randomBytes(32)), event)).rejects.toBeInstanceOf(KeyUnusable);
  });

  it('gives commands that hold it a hash that tells nothing after the erasure', async () => {
    const registry = asRole('kontor_registry');
    const governance = asRole('kontor_governance');
    const hash = randomBytes(32);
    const data = { by: 'gina', value: 'guess me' };
    const blinded = await registry.blind({ workspace, actor: 'gina', schema, data }, hash);
    expect(blinded).not.toEqual(hash);
    expect(await governance.blind({ workspace, actor: 'gina', schema, data }, hash)).toEqual(blinded);
    expect(await registry.blind({ workspace, actor: 'gina', schema: z.unknown(), data }, hash)).toBe(hash);
    await governance.destroy(eraser, workspace, 'gina', 1);
    expect(await governance.blind({ workspace, actor: 'gina', schema, data }, hash)).not.toEqual(blinded);
  });
});

describe('the key store', () => {
  it('keeps a key when a legal hold is placed while it is being destroyed', async () => {
    const governance = asRole('kontor_governance');
    const hers = await store(governance, 'iris', 'evidence');
    const place = await log.admin.connect();
    // As an append that places a hold: it has the lock of the head row, and nobody sees its claim yet.
    await place.query('BEGIN; SELECT FROM es.log_head FOR UPDATE');
    const stream = `${workspace}/governance/legal-hold/h1`;
    const claim = [workspace, 'governance/legal-hold', 'h1', stream];
    await place.query('INSERT INTO es.claim (workspace, kind, key, stream_id) VALUES ($1, $2, $3, $4)', claim);
    const destroying = governance.destroy(eraser, workspace, 'iris', 1).catch((error: unknown) => error);
    await eventually(async () => {
      const { rowCount } = await log.admin.query(
        `SELECT FROM pg_stat_activity WHERE query LIKE '%still_holds%' AND usename = 'kontor_governance'
         AND datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rowCount === 1;
    });
    await place.query('COMMIT');
    place.release();
    expect(await destroying).toMatchObject({ name: OnLegalHold.name, workspace, legalHolds: ['h1'] });
    expect(await governance.standing(workspace, 'iris')).toEqual({ keyVersion: 1, keyLeft: true });
    expect(await read(asRole('kontor_gateway'), hers)).toEqual({ by: 'iris', value: 'evidence' });

    await log.admin.query(`DELETE FROM es.claim WHERE key = 'h1'`);
    await governance.destroy(eraser, workspace, 'iris', 1);
    expect(await governance.standing(workspace, 'iris')).toEqual({ keyVersion: 1, keyLeft: false });
  });

  it('lets nobody but governance destroy, and shows no key as it is', async () => {
    const registry = asRole('kontor_registry');
    await store(registry, 'hugo', 'x');
    for (const role of ['kontor_registry', 'kontor_gateway']) {
      await expect(asRole(role).destroy(log.pool(role), workspace, 'hugo', 1)).rejects.toThrow(/permission denied/);
    }
    const pool = createPool({ connectionString: keyStoreUrl(log.urlFor('kontor_gateway')) });
    const { rows } = await pool.query<{ wrapped: Buffer }>(`SELECT wrapped FROM keys.data_key WHERE subject = 'hugo'`);
    await pool.end();
    expect(rows.map(({ wrapped }) => wrapped.length)).toEqual([12 + 32 + 16]);
  });
});
