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

/** Spec files run beside each other: whoever comes second waits, and finds it made. The lock goes with its process. */
const MAKE = `
import fcntl, os, subprocess, sys
venv, requirements = sys.argv[1:]
stamp, python = os.path.join(venv, "installed"), os.path.join(venv, "bin", "python")
with open(venv + ".lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not os.path.exists(stamp):
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "-r", requirements]
        for command in ([sys.executable, "-m", "venv", "--clear", venv], [python, *pip]):
            made = subprocess.run(command, capture_output=True, text=True)
            if made.returncode != 0:
                sys.exit(" ".join(command) + " failed: " + (made.stderr.strip().splitlines() or [""])[-1])
        open(stamp, "w").close()
`;

/**
 * A virtual environment with the packages that a requirements file names, made once per text of it. CI must have one.
 */
export const pythonWith = (requirements: string): PythonEnvironment => {
  if (spawnSync('python3', ['-c', 'import venv, ensurepip']).status !== 0) {
    return { missing: 'python3 with venv is not on PATH' };
  }
  const digest = createHash('sha256').update(requirements).digest('hex').slice(0, 12);
  const venv = join(repositoryRoot(), 'tests', '.venv', digest);
  if (!existsSync(join(venv, 'installed'))) {
    mkdirSync(dirname(venv), { recursive: true });
    const file = `${venv}.txt`;
    writeFileSync(file, requirements);
    const { status, stderr } = spawnSync('python3', ['-c', MAKE, venv, file], { encoding: 'utf8' });
    if (status !== 0) return { missing: stderr.trim() };
  }
  return { python: join(venv, 'bin', 'python') };
};
