import { describe, expect, it } from 'vitest';
import { canonicalJson, derivedUuid, digestOf } from './digest.js';

describe('a digest', () => {
  it('of a text or of data stays what the log already holds, as does an id that follows from one', () => {
    expect(digestOf('abc')).toBe('sha256:6cc43f858fbb763301637b5af970e2a46b46f461f27e5a0f41e009c59b827b25');
    expect(digestOf({ b: ['é'], a: 1 })).toBe(
      'sha256:023a8698a7c3c25e97260857c604120c43cc731c72fc227019bb5d85d6cad4cb',
    );
    expect(derivedUuid('x')).toBe('2d711642-b726-8044-8162-7ca9fbac32f5');
  });

  it('stands over canonical JSON, and an id that follows from a text is a UUID', () => {
    expect(canonicalJson({ b: [1, { z: null, a: 'é' }], a: 1e21 })).toBe('{"a":1e+21,"b":[1,{"a":"é","z":null}]}');
    expect(derivedUuid('x')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
