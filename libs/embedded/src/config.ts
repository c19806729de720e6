import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** What the environment says about the two servers. Empty variables count as not set. */
export interface EmbeddedConfig {
  /** An external PostgreSQL; then none is embedded. */
  readonly pgUrl?: string;
  /** An external NATS; then none is embedded. */
  readonly natsUrl?: string;
  /** The nats-server to run, before any other is looked for; absolute. */
  readonly natsServer?: string;
  /** Where executables are looked for, as in PATH. */
  readonly path: string;
  /** Downloads that several clones of one user share. */
  readonly cacheDir: string;
}

/** A user id without a name has no home: then there is no cache. */
const home = (): string => {
  try {
    return homedir();
  } catch {
    return '/nonexistent';
  }
};

/** Reads KONTOR_PG_URL, KONTOR_NATS_URL, KONTOR_NATS_SERVER, PATH and XDG_CACHE_HOME. */
export const embeddedConfig = (env: NodeJS.ProcessEnv = process.env): EmbeddedConfig => ({
  ...(env['KONTOR_PG_URL'] && { pgUrl: env['KONTOR_PG_URL'] }),
  ...(env['KONTOR_NATS_URL'] && { natsUrl: env['KONTOR_NATS_URL'] }),
  ...(env['KONTOR_NATS_SERVER'] && { natsServer: resolve(env['KONTOR_NATS_SERVER']) }),
  path: env['PATH'] ?? '',
  cacheDir: join(env['XDG_CACHE_HOME'] || join(home(), '.cache'), 'kontor'),
});
