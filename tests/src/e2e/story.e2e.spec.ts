import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { kontor } from '../platform.js';

const dataDir = mkdtempSync(join(tmpdir(), 'kontor-story-'));
// As root, PostgreSQL runs as another user, whose data would else stay behind in /var/tmp.
chmodSync(dataDir, 0o711);
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

it('the story holds from an empty directory, and a second time on the same one', async () => {
  for (const time of ['first', 'second']) {
    const { exitCode, output } = await kontor(['demo', '--exit'], {
      KONTOR_DATA_DIR: dataDir,
    });
    expect(exitCode, `${time} time:\n${output}`).toBe(0);
    expect(output).toContain('The story holds');
  }
}, 900_000);
