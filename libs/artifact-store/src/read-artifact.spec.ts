import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { ArtifactUnusable, proven } from './read-artifact.js';

const pieces = ['one', 'two', 'three'].map((text) => Buffer.from(text));
const digest = `sha256:${createHash('sha256').update(Buffer.concat(pieces)).digest('hex')}`;

it('passes on what its digest says, and nothing whole of what it does not say', async () => {
  expect(String(await buffer(await proven(digest, Readable.from(pieces))))).toBe('onetwothree');
  const edited = await proven(digest, Readable.from([...pieces.slice(0, 2), Buffer.from('threE')]));
  const passed: string[] = [];
  edited.on('data', (piece: Buffer) => passed.push(String(piece)));
  const [error] = (await once(edited, 'close').catch((cause: unknown) => [cause])) as unknown[];
  expect(error).toBeInstanceOf(ArtifactUnusable);
  expect(passed).toEqual(['one', 'two']);
  await expect(proven(digest, Readable.from(pieces.slice(0, 1)))).rejects.toThrow(ArtifactUnusable);
});

it('closes the content of whoever goes away before the first piece', async () => {
  const source = Readable.from(pieces);
  const closed = once(source, 'close');
  (await proven(digest, source)).destroy();
  await closed;
});
