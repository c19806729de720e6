import { randomBytes } from 'node:crypto';
import { ERASED, personal, readData } from '@kontor/event-sourcing';
import { testDatabase, uuidv7 } from '@kontor/testing';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createPool } from '../event-store.js';
import { KeyUnusable } from '../errors.js';
import { type LogFixture, openLog } from '../log.fixture.js';
import { PersonalData } from './personal-data.js';
import { keyStoreUrl } from './prepare-key-store.js';

const schema = z.strictObject({ by: z.string(), value: personal(z.unknown() as z.ZodType, { subject: '/by' }) });
const workspace = 'default';
const kek = randomBytes(32);
let log: LogFixture;
const opened: PersonalData[] = [];

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
const read = (personalData: PersonalData, { data, ...event }: Awaited<ReturnType<typeof store>>) =>
  personalData.open(workspace, readData({}, event, data));

beforeAll(async () => {
  log = await openLog(await testDatabase());
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
    const keys = events.map(({ data }) => (data as { value: { $enc: { k: string } } }).value.$enc.k);
    expect(new Set(keys)).toEqual(new Set(['carl/1']));
  });

  it('is a marker once the key is destroyed, and only that person is erased', async () => {
    const registry = asRole('kontor_registry');
    const governance = asRole('kontor_governance');
    const [hers, his] = [await store(registry, 'dora', 'her words'), await store(registry, 'emil', 'his words')];
    const elsewhere = asRole('kontor_gateway');
    expect(await governance.standing(workspace, 'dora')).toEqual({ keyVersion: 1, keyLeft: true });
    expect(await governance.standing(workspace, 'nobody')).toEqual({ keyVersion: 0, keyLeft: false });
    await governance.destroy('other', 'dora', 1);
    expect(await read(elsewhere, hers)).toEqual({ by: 'dora', value: 'her words' });
    await governance.destroy(workspace, 'dora', 1);
    elsewhere.forget();
    expect(await governance.standing(workspace, 'dora')).toEqual({ keyVersion: 1, keyLeft: false });
    expect(await read(elsewhere, hers)).toEqual({ by: 'dora', value: ERASED });
    expect(await read(elsewhere, his)).toEqual({ by: 'emil', value: 'his words' });

    registry.forget();
    const later = await store(registry, 'dora', 'a new life');
    expect(later.data).toMatchObject({ value: { $enc: { k: 'dora/2' } } });
    expect(await read(elsewhere, later)).toMatchObject({ value: 'a new life' });
    expect(await read(elsewhere, hers)).toMatchObject({ value: ERASED });
    await governance.destroy(workspace, 'dora', 1);
    elsewhere.forget();
    expect(await read(elsewhere, later)).toMatchObject({ value: 'a new life' });
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
    await governance.destroy(workspace, 'gina', 1);
    expect(await governance.blind({ workspace, actor: 'gina', schema, data }, hash)).not.toEqual(blinded);
  });
});

describe('the key store', () => {
  it('lets nobody but governance destroy, and shows no key as it is', async () => {
    const registry = asRole('kontor_registry');
    await store(registry, 'hugo', 'x');
    for (const role of ['kontor_registry', 'kontor_gateway']) {
      await expect(asRole(role).destroy(workspace, 'hugo', 1)).rejects.toThrow(/permission denied/);
    }
    const pool = createPool({ connectionString: keyStoreUrl(log.urlFor('kontor_gateway')) });
    const { rows } = await pool.query<{ wrapped: Buffer }>(`SELECT wrapped FROM keys.data_key WHERE subject = 'hugo'`);
    await pool.end();
    expect(rows.map(({ wrapped }) => wrapped.length)).toEqual([12 + 32 + 16]);
  });
});
