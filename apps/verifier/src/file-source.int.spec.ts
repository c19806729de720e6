import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fileSource, linesOf } from './file-source.js';

const folder = mkdtempSync(join(tmpdir(), 'kontor-lines-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const collect = async (path: string) => {
  const source = fileSource(path);
  const lines: string[] = [];
  for await (const line of source.lines()) lines.push(line);
  const header = await source.header();
  source.close();
  return { header, lines };
};

describe('a bundle in a file', () => {
  const lines = Array.from({ length: 3_000 }, (_, index) => `${index} ${'ä'.repeat(index % 1_000)}`);
  it.each([
    ['with a newline at its end', `${lines.join('\n')}\n`],
    ['without one', lines.join('\n')],
  ])('is read line by line %s, also across the blocks in which it is read', async (_, text) => {
    const path = join(folder, 'bundle');
    writeFileSync(path, text);
    expect(await collect(path)).toEqual({ header: lines[0], lines: lines.slice(1) });
  });

  it('may hold a line that is longer than a block, and none that no export writes', async () => {
    const path = join(folder, 'long');
    writeFileSync(path, `header\n${'x'.repeat(3_000_000)}\n`);
    expect((await collect(path)).lines).toEqual(['x'.repeat(3_000_000)]);
    writeFileSync(path, 'x'.repeat(20_000_000));
    await expect(collect(path)).rejects.toThrow(RangeError);
  });

  it('may be empty', async () => {
    const path = join(folder, 'empty');
    writeFileSync(path, '');
    expect(await collect(path)).toEqual({ header: undefined, lines: [] });
    expect([...linesOf(0, { from: 0, to: 0 })]).toEqual([]);
  });
});
