import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from './platform.js';

/**
 * A virtual environment with the packages that a requirements file names, made once per text of it.
 *
 * @returns its Python, or a sentence that says why there is none. CI must have one.
 */
export const pythonWith = (requirements: string): { readonly python: string } | { readonly missing: string } => {
  if (spawnSync('python3', ['-c', 'import venv, ensurepip']).status !== 0) {
    return { missing: 'python3 with venv is not on PATH' };
  }
  const digest = createHash('sha256').update(requirements).digest('hex').slice(0, 12);
  const venv = join(repositoryRoot(), 'tests', '.venv', digest);
  const stamp = join(venv, 'installed');
  const python = join(venv, 'bin', 'python');
  if (!existsSync(stamp)) {
    mkdirSync(venv, { recursive: true });
    const file = `${venv}.txt`;
    writeFileSync(file, requirements);
    for (const [command, args] of [
      ['python3', ['-m', 'venv', '--clear', venv]],
      [python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-compile', '-r', file]],
    ] as const) {
      const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
      if (status !== 0)
        return { missing: `${command} ${args.join(' ')} failed: ${stderr.trim().split('\n').at(-1) ?? ''}` };
    }
    writeFileSync(stamp, '');
  }
  return { python };
};
