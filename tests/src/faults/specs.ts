// Fault tests that are specs of the code that they break. `npm test` runs them where they are, `npm run faults` from here.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { repositoryRoot } from '../platform.js';
import type { Scenario } from './stage.js';

/** A spec that runs within 10 s when the machine is quiet may need more beside others. */
const TIMEOUT_MS = 300_000;

/** The last lines of a spec that failed. */
const TOLD_LINES = 40;

const spec = (name: string, title: string, project: 'spec' | 'int' | 'e2e', ...files: readonly string[]): Scenario => ({
  name,
  title,
  run: async ({ seed }) => {
    const root = repositoryRoot();
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const timeouts = ['testTimeout', 'hookTimeout'].map((name) => `--${name}=${TIMEOUT_MS}`);
    const child = spawn(process.execPath, [vitest, 'run', '--project', project, ...timeouts, ...files], {
      cwd: root,
      env: { ...process.env, KONTOR_SEED: `${seed}`, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    const tests = /^ *Tests +(.*)$/m.exec(output)?.[1] ?? 'no tests';
    const told = output.trimEnd().split('\n').slice(-TOLD_LINES);
    return { seen: `${tests} of ${files.join(' and ')}`, violations: code === 0 ? [] : told };
  },
});

export const SPECS: readonly Scenario[] = [
  spec(
    'T16',
    'poison',
    'int',
    'libs/service/src/reactions.int.spec.ts',
    'libs/event-store/src/projections.int.spec.ts',
  ),
  spec('T17', 'blue/green under load', 'int', 'libs/event-store/src/rebuild-read-model.int.spec.ts'),
  spec('T21', 'oracle', 'spec', 'libs/transparency-log/src/oracle.spec.ts'),
  spec('T22', 'shredding', 'e2e', 'tests/src/e2e/erase.e2e.spec.ts'),
  spec('T23', 'archive round trip', 'int', 'libs/event-store/src/archive/archive.int.spec.ts'),
];
