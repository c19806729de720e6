import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const repositoryRoot = (): string => {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'nx.json'))) folder = dirname(folder);
  return folder;
};

/** The Python of an environment, or a sentence that says why there is none. */
export type PythonEnvironment = { readonly python: string } | { readonly missing: string };

/** A server that speaks S3, under Apache-2.0. */
export const S3_REQUIREMENTS = 'moto[server]==5.2.5\n';

/**
 * A virtual environment with the packages that a requirements file names, made once per text of it. CI must have one.
 */
export const pythonWith = (requirements: string): PythonEnvironment => {
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
