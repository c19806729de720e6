import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rename, rmdir, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { PostgresBinaries } from './postgres-binaries.js';
import { canEnter } from './postgres-user.js';
import { runProgram } from './run-program.js';
import { newSecret } from './secret.js';
import type { ProcessUser } from './server-process.js';
import { unlessMissing } from './unless-missing.js';
import { ServerRefused } from './server-refused.js';
import { SettingRefused } from './setting-refused.js';

/** Object ids below this belong to PostgreSQL itself. @source PostgreSQL 18, access/transam.h, FirstNormalObjectId */
const FIRST_USER_OID = 16_384;

/** The superuser that initdb makes. Only the supervisor and tests know its password. */
export const SUPERUSER = 'postgres';

/** The superuser of the embedded server of a data directory. @throws ENOENT if it never ran */
export const readSuperuser = async (dataDir: string): Promise<{ user: string; password: string }> => {
  const home = (await recordedHome(dataDir)) ?? dataDir;
  return { user: SUPERUSER, password: (await readFile(join(home, 'postgres', 'secret'), 'utf8')).trim() };
};

/** Where the data is if it is not in the data directory. */
const recordedHome = async (dataDir: string): Promise<string | undefined> =>
  (await unlessMissing(readFile(join(dataDir, 'postgres.location'), 'utf8')))?.trim();

/** An initialised cluster: `<directory>/cluster` is PostgreSQL's, `<directory>/secret` its superuser's password (0600). */
export interface PostgresCluster {
  readonly cluster: string;
  readonly password: string;
  readonly user: ProcessUser | undefined;
}

/**
 * PostgreSQL cuts a path at 1,023 bytes and goes on with what is left; its longest file below the cluster needs 64.
 * @source PostgreSQL 18, pg_config_manual.h, MAXPGPATH
 */
const MAX_DATA_DIRECTORY_BYTES = 900;

const exists = async (path: string): Promise<boolean> => (await unlessMissing(stat(path))) !== undefined;

/**
 * The directory that holds `postgres/`: the data directory, or, if the user that runs PostgreSQL cannot enter it, one in
 * /var/tmp whose path is written to `<dataDir>/postgres.location` and used from then on.
 * @throws ServerRefused if the data directory holds data whose owner cannot enter it any more: an empty log elsewhere would
 * look as if all were lost
 */
const clusterHome = async (
  dataDir: string,
  user: ProcessUser | undefined,
  log: (line: string) => void,
): Promise<string> => {
  const recorded = await recordedHome(dataDir);
  if (recorded !== undefined) return recorded;
  if (user === undefined) return dataDir;
  const held = await unlessMissing(stat(join(dataDir, 'postgres')));
  const { uid, gid } = held ?? user;
  if (await canEnter({ uid, gid }, dataDir)) return dataDir;
  if (held)
    throw new ServerRefused(
      `${dataDir} holds PostgreSQL's data, and user id ${held.uid}, which owns it, cannot enter it: ` +
        'let that user pass through it and the directories above (chmod o+x)',
    );
  const elsewhere = await mkdtemp('/var/tmp/kontor-');
  await chmod(elsewhere, 0o711);
  await writeFile(join(elsewhere, 'belongs-to'), `${dataDir}\n`);
  await writeFile(join(dataDir, 'postgres.location'), `${elsewhere}\n`);
  log(`${dataDir} cannot be entered by the user that runs PostgreSQL: its data is in ${elsewhere}`);
  return elsewhere;
};

/** Whether a database other than PostgreSQL's own three was ever made in this cluster. */
const holdsData = async (cluster: string): Promise<boolean> => {
  const databases = (await unlessMissing(readdir(join(cluster, 'base')))) ?? [];
  return databases.some((oid) => Number(oid) >= FIRST_USER_OID);
};

/** Leftovers of an interrupted initialisation are renamed, never deleted: nobody can know that they are worthless. */
const moveAside = async (directory: string, log: (line: string) => void): Promise<void> => {
  const aside = `${directory.replace(/\.initialising-.*$/, '')}.incomplete-${randomBytes(4).toString('hex')}`;
  await rename(directory, aside);
  log(`${directory} was not completely initialised: moved to ${aside}`);
};

const initialise = async (home: string, binaries: PostgresBinaries, user: ProcessUser | undefined): Promise<void> => {
  // All of it appears by one rename, so a `postgres` that exists is complete, whenever this process was killed.
  const draft = await mkdtemp(join(home, 'postgres.initialising-'));
  const secret = join(draft, 'secret');
  await writeFile(secret, `${newSecret()}\n`, { mode: 0o600 });
  const cluster = join(draft, 'cluster');
  await mkdir(cluster, { mode: 0o700 });
  if (user) for (const path of [draft, secret, cluster]) await chown(path, user.uid, user.gid);
  const sorting = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const access = [`--username=${SUPERUSER}`, `--pwfile=${secret}`, '--auth=scram-sha-256'];
  const args = [`--pgdata=${cluster}`, ...access, ...sorting, '--data-checksums', '--no-instructions'];
  await runProgram(binaries.initdb, args, { ...user, cwd: '/' }).catch((error: Error & { stderr?: string }) => {
    throw new ServerRefused(`initdb cannot make ${cluster}:\n${error.stderr?.trim() || error.message}`, {
      cause: error,
    });
  });
  await rename(draft, join(home, 'postgres'));
};

/** PostgreSQL takes a cluster only from the user who owns it, and never runs as root. */
const refuseForeign = async (directory: string): Promise<void> => {
  const owner = await unlessMissing(stat(directory));
  const self = process.getuid?.();
  if (!owner || self === undefined) return;
  if (self !== 0 && owner.uid !== self)
    throw new ServerRefused(
      `${directory} belongs to user id ${owner.uid}, this process runs as ${self}: ` +
        'start as that user, or choose another KONTOR_DATA_DIR',
    );
};

/**
 * The cluster of a data directory, initialised if there is none. Data checksums are on; text sorts by code point (the built-in
 * C.UTF-8), the same on every machine.
 * @throws SettingRefused if the path is too long; ServerRefused if the cluster is damaged or belongs to another user, with what to do
 */
export const openCluster = async (options: {
  dataDir: string;
  user: ProcessUser | undefined;
  binaries: PostgresBinaries;
  log: (line: string) => void;
}): Promise<PostgresCluster> => {
  const dataDir = resolve(options.dataDir);
  const { user, binaries, log } = options;
  if (Buffer.byteLength(dataDir) > MAX_DATA_DIRECTORY_BYTES)
    throw new SettingRefused(
      'KONTOR_DATA_DIR',
      dataDir,
      'is too long for PostgreSQL',
      `a path of at most ${MAX_DATA_DIRECTORY_BYTES} bytes`,
    );
  await mkdir(dataDir, { recursive: true });
  const home = await clusterHome(dataDir, user, log);
  const directory = join(home, 'postgres');
  const cluster = join(directory, 'cluster');

  for (const name of await readdir(home))
    if (name.startsWith('postgres.initialising-')) await moveAside(join(home, name), log);
  await refuseForeign(directory);
  const isComplete = (await exists(join(cluster, 'global', 'pg_control'))) && (await exists(join(directory, 'secret')));
  if (!isComplete && (await exists(directory))) {
    if (await holdsData(cluster))
      throw new ServerRefused(
        `${directory} holds databases, but "secret" or "cluster/global/pg_control" is missing: ` +
          'restore it from a backup, or choose another KONTOR_DATA_DIR',
      );
    if ((await readdir(directory)).length === 0) await rmdir(directory);
    else await moveAside(directory, log);
  }
  if (!isComplete) await initialise(home, binaries, user);

  const owner = await stat(cluster);
  return {
    cluster,
    password: (await readFile(join(directory, 'secret'), 'utf8')).trim(),
    user: user && { uid: owner.uid, gid: owner.gid }, // the cluster's own user, whoever made it
  };
};
