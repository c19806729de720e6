import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { artifactPath } from './artifact-path.js';

describe('an artifact path', () => {
  it.each([
    ['1/models/m-1/artifacts/model.onnx', '1/models/m-1/artifacts/model.onnx'],
    ['a//b/./c/', 'a/b/c'],
    ['', ''],
    ['100%/a b.txt', '100%/a b.txt'],
    ['..a/b..', '..a/b..'],
  ])('accepts %s', (path, normalised) => expect(artifactPath(path)).toBe(normalised));

  it.each([
    '..',
    '../a',
    'a/../b',
    'a/..',
    '/etc/passwd',
    '\\\\host\\share',
    'a\\..\\b',
    'C:/windows',
    'file:///etc/passwd',
    'file:/etc/passwd',
    'FILE:x',
    'file%3A%2Fetc%2Fpasswd',
    'd:x',
    '%64%3A/x',
    's3://bucket/x',
    '//host/share',
    '%2f%2fhost/share',
    '%5c%5chost%5cshare',
    'a/..\\..\\b',
    '%2e%2e/a',
    'a/%2E%2e/b',
    '%252e%252e%252fa',
    '%25252e%25252e/a',
    '%2fetc/passwd',
    'a%00b',
    'a\0b',
    'a#b',
    'a/%5c..%5cb/..',
    'a%0d%0ab',
  ])('refuses %s', (path) => expect(artifactPath(path)).toBeUndefined());

  it('never lets a parent segment through, however it is encoded', () => {
    const dots = fc.constantFrom('..', '%2e%2e', '.%2e', '%252e.', '%25252e%252e');
    const slash = fc.constantFrom('/', '%2f', '%5c', '%252f', '\\');
    fc.assert(
      fc.property(slash, dots, slash, (before, up, after) => artifactPath(`a${before}${up}${after}b`) === undefined),
    );
  });
});
