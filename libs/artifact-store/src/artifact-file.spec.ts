import { describe, expect, it } from 'vitest';
import { artifactFile } from './artifact-file.js';

const HEX = 'ab'.repeat(32);

describe('artifactFile', () => {
  it('puts a digest below its first two digits', () => {
    expect(artifactFile('/data', `sha256:${HEX}`)).toBe(`/data/sha256/ab/${HEX}`);
  });

  it.each([
    '',
    HEX,
    `md5:${HEX}`,
    `sha256:${HEX.toUpperCase()}`,
    `sha256:${HEX}0`,
    `sha256:${HEX}\n`,
    'sha256:../../../../etc/passwd',
    `sha256:../${HEX.slice(3)}`,
    `sha256:${HEX}/../../x`,
  ])('refuses %j, so that no text of a caller becomes a path', (digest) => {
    expect(() => artifactFile('/data', digest)).toThrow('not a digest');
  });
});
