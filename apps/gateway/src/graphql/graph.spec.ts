import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isObjectType, isUnionType } from 'graphql';
import { describe, expect, it } from 'vitest';
import { encodeToken, decodeToken } from './consistency.js';
import { decodeCursor, encodeCursor } from './connection.js';
import { generate } from './generate.js';
import { withoutNulls } from './mutate.js';
import { fromNodeId, toNodeId } from './node-id.js';
import { loaderKey } from './rows.js';
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
    expect(decodeToken(log, encodeToken(log, 7n))).toBe(7n);
    expect(() => decodeToken({ ...log, epoch: 2n }, encodeToken(log, 7n))).toThrow('not a token of this log');
    expect(() => decodeToken({ ...log, origin: 'x' }, encodeToken(log, 7n))).toThrow('not a token of this log');
    expect(() => decodeToken(log, 'junk')).toThrow('not a token of this log');
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

  it('keep two moments of one row apart in a loader', () => {
    expect(loaderKey({ key: 'a', position: 1n })).not.toBe(loaderKey({ key: 'a', position: 2n }));
  });

  it('drop null members of an input at every depth', () => {
    expect(withoutNulls({ a: null, b: [{ c: null, d: 1 }] })).toEqual({ b: [{ d: 1 }] });
  });
});
