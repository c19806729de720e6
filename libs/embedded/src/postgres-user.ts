import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ProcessUser } from './server-process.js';
import { ServerRefused } from './server-refused.js';

const run = promisify(execFile);

/** Users that PostgreSQL may run as: the customary one, then our own. */
const CANDIDATES = ['postgres', 'kontor'] as const;

/**
 * What a program answered; undefined if it ended with exit code 1, which says no. Anything else is no answer: Ctrl-C in the
 * terminal ends it too, and must not be taken for one.
 */
const unlessNo = async <T>(answer: Promise<T>): Promise<T | undefined> => {
  try {
    return await answer;
  } catch (error) {
    if ((error as { code?: unknown }).code === 1) return undefined;
    throw error;
  }
};

const lookUp = async (name: string): Promise<ProcessUser | undefined> => {
  const ids = await unlessNo(Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]));
  return ids && { uid: Number(ids[0].stdout), gid: Number(ids[1].stdout) };
};

/**
 * PostgreSQL refuses to run as root, and initdb refuses an id without a name. So root gets a user to run it as: an existing
 * `postgres` or `kontor`, or a new system user `kontor` without home and shell. Anyone else runs it as themselves.
 * @returns undefined for an ordinary user
 * @throws when no user exists and none can be made, with what to do
 */
export const postgresUser = async (log: (line: string) => void): Promise<ProcessUser | undefined> => {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of CANDIDATES) {
    const user = await lookUp(name);
    if (user) return user;
  }
  let refusal: unknown;
  try {
    await run('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/bin/false', 'kontor']);
    log('PostgreSQL does not run as root: created the system user "kontor" for it');
  } catch (error) {
    refusal = error; // perhaps another start made it in the meantime
  }
  const made = await lookUp('kontor');
  if (made) return made;
  throw new ServerRefused(
    'PostgreSQL does not run as root, there is no user "postgres" or "kontor", and useradd could not make one: ' +
      'start as an ordinary user, or create the user "kontor"',
    { cause: refusal },
  );
};

/** Whether `user` may enter `directory`, asked from the system itself, so that access lists and mounts count. */
export const canEnter = async (user: ProcessUser, directory: string): Promise<boolean> => {
  return (await unlessNo(run('/bin/sh', ['-c', 'test -x "$0"', directory], { ...user, cwd: '/' }))) !== undefined;
};
