import type pg from 'pg';
import { readerUrl, requireWorkspace, withLog } from '../commands/log-database.js';
import { type CliConfig, readConfig } from '../config.js';
import { type PersonToken, signPersonToken } from '../sign-token.js';
import { readRunFile, type RunFile } from '../supervisor/run-file.js';
import { CommandFailed } from '../usage-error.js';

/** The tokens that a command signs for itself live for one request. */
const OWN_TTL_MS = 60_000;

/** The settings, and the platform that runs on their data directory. */
export interface Running {
  readonly config: CliConfig;
  readonly run: RunFile;
}

/** @throws CommandFailed if nothing runs on KONTOR_DATA_DIR, or it is still starting */
export const running = async (): Promise<Running> => {
  const config = readConfig();
  const run = await readRunFile(config.dataDir);
  if (!run) throw new CommandFailed(`nothing is up on ${config.dataDir}: start it with "npm start" or "kontor up"`);
  return { config, run };
};

/** Runs `body` with the log of the running platform open for a reader. @throws CommandFailed as {@link running} does */
export const withRunningLog = async <T>(body: (pool: pg.Pool, found: Running) => Promise<T>): Promise<T> => {
  const found = await running();
  return withLog(await readerUrl(found.config, found.run), (pool) => body(pool, found));
};

/** What runs, for a command on one workspace. @throws CommandFailed as {@link running} does, and if there is no such workspace */
export const runningForWorkspace = (workspace: string): Promise<Running> =>
  withRunningLog(async (pool, found) => {
    await requireWorkspace(pool, workspace);
    return found;
  });

/** Where the running platform answers. */
export const gatewayUrl = ({ run }: Running): string => run.addresses.gateway;

/** Where the running platform answers GraphQL. */
export const graphqlUrl = (found: Running): string => `${gatewayUrl(found)}/graphql`;

/** A token for one request of a command. @throws CommandFailed if the installation has no key yet */
export const ownToken = ({ config }: Running, person: Omit<PersonToken, 'ttlMs'>): Promise<string> =>
  signPersonToken(config.keysDir, { ...person, ttlMs: OWN_TTL_MS }, Date.now());
