import { describe, expect, it } from 'vitest';
import { canonicalize, requestHash } from './canonical.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('requestHash', () => {
  const request = { workspace: 'default', type: 'Rename', data: { name: 'a', tags: { x: 1, y: [1, 2] } } };

  it('does not depend on the order of keys', () => {
    const other = { data: { tags: { y: [1, 2], x: 1 }, name: 'a' }, type: 'Rename', workspace: 'default' };
    expect(hex(requestHash(other))).toBe(hex(requestHash(request)));
  });

  it.each([
    ['workspace', { ...request, workspace: 'other' }],
    ['type', { ...request, type: 'Delete' }],
    ['a value', { ...request, data: { ...request.data, name: 'b' } }],
    ['the order of a list', { ...request, data: { name: 'a', tags: { x: 1, y: [2, 1] } } }],
  ])('differs when %s differs', (_, other) => {
    expect(hex(requestHash(other))).not.toBe(hex(requestHash(request)));
  });

  it('is SHA-256 of the canonical text and looks at nothing else', () => {
    expect(requestHash(request)).toHaveLength(32);
    const more = { ...request, metadata: { commandId: '1' } };
    expect(hex(requestHash(more))).toBe(hex(requestHash(request)));
  });
});

describe('canonicalize', () => {
  it('sorts keys by UTF-16 units and writes numbers as ECMAScript does', () => {
    // RFC 8785, section 3.2.3 and appendix B.
    expect(canonicalize({ b: 1e21, '€': 4.5, a: -0, '\r': 1 / 3 })).toBe(
      '{"\\r":0.3333333333333333,"a":0,"b":1e+21,"€":4.5}',
    );
  });

  it('refuses what is not JSON', () => {
    expect(() => canonicalize(undefined)).toThrow('not a JSON value');
    expect(() => canonicalize({ a: Number.NaN })).toThrow();
  });
});
