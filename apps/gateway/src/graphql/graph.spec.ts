import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { GraphQLError, isEnumType, isInputObjectType, isObjectType, isUnionType } from 'graphql';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { decodeTokens, encodeToken } from './consistency.js';
import { decodeCursor, encodeCursor } from './connection.js';
import { errorFormatter } from './error-format.js';
import { generate } from './generate.js';
import { withoutNulls } from './mutate.js';
import { fromNodeId, toNodeId } from './node-id.js';
import { listKey, loaderKey } from './rows.js';
import { scalars } from './scalars.js';
import { buildSchema } from './schema.js';

/** The code generator takes some three seconds, more on a machine that is busy with other specs. */
const GENERATE_TIMEOUT_MS = 30_000;

describe('the schema', () => {
  it(
    'is what the SDL files give: schema and types were generated again after the last change',
    async () => {
      for (const [path, content] of await generate()) {
        const committed = await readFile(fileURLToPath(new URL(`./${path}`, import.meta.url)), 'utf8');
        expect(committed === content, `${path}: run npm run generate -w @kontor/gateway`).toBe(true);
      }
    },
    GENERATE_TIMEOUT_MS,
  );

  it('answers every mutation with a payload that has a position and event ids, or a problem', async () => {
    const schema = await buildSchema();
    const fields = Object.values(schema.getMutationType()?.getFields() ?? {});
    expect(fields.length).toBeGreaterThan(20);
    for (const { name, type, args } of fields) {
      expect(args.map((argument) => argument.name)).toEqual(['input']);
      const result = schema.getType(String(type).replace('!', ''));
      const members = isUnionType(result) ? result.getTypes() : [];
      expect(members.map((member) => member.name)).toEqual(
        expect.arrayContaining(['Rejection', 'ValidationError', 'ForbiddenError', 'ServiceUnavailableError']),
      );
      const payload = members.find((member) => member.name.endsWith('Payload'));
      expect(Object.keys(payload?.getFields() ?? {}), name).toEqual(expect.arrayContaining(['position', 'eventIds']));
    }
  });

  it('takes and gives clientMutationId as one type', async () => {
    const schema = await buildSchema();
    const echoes = Object.values(schema.getTypeMap()).flatMap((type) => {
      const field = isObjectType(type) || isInputObjectType(type) ? type.getFields()['clientMutationId'] : undefined;
      return field ? [`${type.name} ${String(field.type)}`] : [];
    });
    expect(echoes.length).toBeGreaterThan(40);
    expect(echoes.filter((echo) => !echo.endsWith(' ID'))).toEqual([]);
  });

  it('names the values of all enums in one way', async () => {
    const schema = await buildSchema();
    const values = Object.values(schema.getTypeMap()).flatMap((type) =>
      isEnumType(type) && !type.name.startsWith('__') ? type.getValues().map(({ name }) => `${type.name} ${name}`) : [],
    );
    expect(values.length).toBeGreaterThan(60);
    expect(values.filter((value) => !/ [A-Z][A-Z0-9_]*$/.test(value))).toEqual([]);
  });

  it('gives every list the same shape', async () => {
    const schema = await buildSchema();
    const lists = Object.values(schema.getTypeMap()).filter(
      (type) => isObjectType(type) && /Connection$/.test(type.name),
    );
    expect(lists.length).toBeGreaterThan(15);
    for (const list of lists) {
      const row = list.name.replace(/Connection$/, '');
      const fields = isObjectType(list) ? Object.values(list.getFields()) : [];
      expect(Object.fromEntries(fields.map(({ name, type }) => [name, String(type)])), list.name).toEqual({
        edges: `[${row}Edge!]!`,
        nodes: `[${row}!]!`,
        pageInfo: 'PageInfo!',
        position: 'LogPosition!',
        totalCount: 'Int!',
        totalCountExact: 'Boolean!',
      });
    }
  });

  it('refetches every entity: each type with an id is a node', async () => {
    const schema = await buildSchema();
    for (const type of Object.values(schema.getTypeMap())) {
      if (!isObjectType(type) || !type.getFields()['id']) continue;
      expect(
        type.getInterfaces().map(({ name }) => name),
        type.name,
      ).toContain('Node');
    }
  });
});

describe('opaque texts', () => {
  const log = { origin: 'kontor.test/log', epoch: 1n };

  it('give a position back to the log that made the token, and to no other', () => {
    expect(decodeTokens(log, encodeToken(log, 7n))).toBe(7n);
    expect(() => decodeTokens({ ...log, epoch: 2n }, encodeToken(log, 7n))).toThrow('not a token of this log');
    expect(() => decodeTokens({ ...log, origin: 'x' }, encodeToken(log, 7n))).toThrow('not a token of this log');
    expect(() => decodeTokens(log, 'junk')).toThrow('not a token of this log');
  });

  it('merge to the later position, whatever their order, and refuse a list with a foreign one', () => {
    const [three, seven] = [encodeToken(log, 3n), encodeToken(log, 7n)];
    for (const list of [`${three}, ${seven}`, `${seven},${three}`, `${seven},${seven},${three}`]) {
      expect(decodeTokens(log, list)).toBe(7n);
    }
    expect(() => decodeTokens(log, `${seven}, ${encodeToken({ ...log, origin: 'x' }, 3n)}`)).toThrow('not a token');
    expect(() => decodeTokens(log, `${seven},`)).toThrow('not a token');
  });

  it('bind a cursor to its list', () => {
    const cursor = { position: 9n, value: 'a', key: 'default/a' };
    expect(decodeCursor('list', encodeCursor('list', cursor))).toEqual(cursor);
    expect(() => decodeCursor('other', encodeCursor('list', cursor))).toThrow('not a cursor of this list');
    expect(() => decodeCursor('list', 'junk')).toThrow('not a cursor of this list');
  });

  it('name an entity without its workspace, and stay in the workspace of the reader', () => {
    const id = toNodeId('Run', 'default/a%2Fb');
    expect(fromNodeId(id, 'default')).toEqual({ type: 'Run', key: 'default/a%2Fb' });
    expect(fromNodeId(id, 'other')).toEqual({ type: 'Run', key: 'other/a%2Fb' });
    expect(fromNodeId('junk', 'default')).toBeUndefined();
  });

  it('keep two moments of one row or list apart in a loader', () => {
    expect(loaderKey({ key: 'a', position: 1n })).not.toBe(loaderKey({ key: 'a', position: 2n }));
    const list = { workspace: 'default', values: ['a'] };
    expect(listKey({ ...list, position: 1n })).not.toBe(listKey({ ...list, position: 2n }));
    expect(listKey({ ...list, position: 1n })).not.toBe(listKey({ ...list, workspace: 'b', position: 1n }));
  });

  it('drop null members of an input at every depth', () => {
    expect(withoutNulls({ a: null, b: [{ c: null, d: 1 }] })).toEqual({ b: [{ d: 1 }] });
  });
});

describe('scalars', () => {
  const isRefused = (name: 'DateTime' | 'LogPosition' | 'Digest', value: unknown): boolean => {
    try {
      scalars[name].parseValue(value);
      return false;
    } catch {
      return true;
    }
  };

  it('take an instant only if the calendar and the database have it', () => {
    for (const instant of ['2026-06-01T12:00:00Z', '2024-02-29T23:59:59.999999+05:30', '0001-01-01T00:00:00-15:59']) {
      expect(isRefused('DateTime', instant), instant).toBe(false);
    }
    const none = ['2026-02-30T00:00:00Z', '2025-02-29T00:00:00Z', '2026-06-01T24:00:00Z', '2026-06-01T12:00:60Z'];
    const unzoned = ['2026-06-01T12:00:00', '2026-06-01', '2026-06-01T12:00:00+16:00', '0000-01-01T00:00:00Z', 7, null];
    for (const text of [...none, ...unzoned]) expect(isRefused('DateTime', text), String(text)).toBe(true);
  });

  it('take a position as a decimal text alone', () => {
    for (const position of ['0', '7', '9223372036854775807']) expect(isRefused('LogPosition', position)).toBe(false);
    for (const text of ['9223372036854775808', '07', '-1', '1.0', ' 1', '', 'x', 1, 1n, null]) {
      expect(isRefused('LogPosition', text), String(text)).toBe(true);
    }
  });
});

describe('an error', () => {
  const reported: unknown[] = [];
  const format = errorFormatter(
    (error) => reported.push(error),
    () => 'id-1',
  );
  const thrown = (originalError: Error) => new GraphQLError(originalError.message, { originalError, path: ['runs'] });

  it('says that the database is away or was too slow, and shows nothing else of it', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:5432'), { code: 'ECONNREFUSED' });
    const lost = new Error('Connection terminated unexpectedly');
    for (const error of [refused, lost]) {
      expect(format(thrown(error))).toEqual({
        message: 'The database does not answer. Asking again later is safe.',
        path: ['runs'],
        extensions: { code: 'SERVICE_UNAVAILABLE', retryAfterMs: 1_000, correlationId: 'id-1' },
      });
    }
    const slow = Object.assign(new pg.DatabaseError('canceling statement', 0, 'error'), { code: '57014' });
    expect(format(thrown(slow)).extensions).toEqual({ code: 'TIMEOUT', correlationId: 'id-1' });
    expect(reported).toEqual([refused, lost, slow]);
  });

  it('is INTERNAL when it is ours', () => {
    const { message, extensions } = format(thrown(new TypeError('row is undefined')));
    expect(extensions).toEqual({ code: 'INTERNAL', correlationId: 'id-1' });
    expect(message).not.toContain('undefined');
  });
});
