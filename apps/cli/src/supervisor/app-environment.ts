import { artifactVariables } from '@kontor/service/process';
import type { CliConfig } from '../config.js';
import type { AppName } from './app-process.js';

/** What the system and Node itself read: native libraries, language, time zone, certificates, Node's own options. */
const OF_THE_SYSTEM = [
  'LANG',
  'LC_ALL',
  'LD_LIBRARY_PATH',
  'NODE_ENV',
  'NODE_EXTRA_CA_CERTS',
  'NODE_OPTIONS',
  'PATH',
  'TZ',
] as const;

/** What webhooks may be: the gateway checks them, the registry calls them. */
const OF_WEBHOOKS = ['KONTOR_WEBHOOK_ALLOW_HTTP', 'KONTOR_WEBHOOK_ALLOW_PRIVATE'] as const;

/** Settings of an app that are handed on as a person gave them. Any service may be the one that seals the log. */
const OF_THE_APP: Readonly<Record<AppName, readonly string[]>> = {
  registry: ['KONTOR_ANCHOR_DIR', 'KONTOR_WITNESS', ...OF_WEBHOOKS],
  deployment: ['KONTOR_ANCHOR_DIR', 'KONTOR_WITNESS'],
  monitoring: ['KONTOR_ANCHOR_DIR', 'KONTOR_WITNESS'],
  governance: ['KONTOR_ANCHOR_DIR', 'KONTOR_WITNESS'],
  gateway: ['KONTOR_ALLOWED_HOSTS', 'KONTOR_INTROSPECTION', ...OF_WEBHOOKS],
  serving: ['KONTOR_ALLOWED_HOSTS', 'KONTOR_WORKSPACE'],
};

/** Apps that read or write the bytes of artifacts, and what says where those lie when it is not a directory. */
const WITH_ARTIFACTS: readonly AppName[] = ['gateway', 'serving', 'monitoring'];
const OF_A_BUCKET = Object.keys(artifactVariables).filter((name) => name !== 'KONTOR_ARTIFACTS_DIR');

/** Addresses and places that an app may be given. */
export interface AppContext {
  readonly config: Pick<CliConfig, 'environment' | 'dataDir' | 'artifactsDir' | 'host' | 'auth'>;
  /** With the app's own role. */
  readonly databaseUrl: string;
  /** With the app's own user. */
  readonly natsUrl: string;
  /** The app's own, as `giveKeys` fills it. */
  readonly keysDir: string;
  readonly port: { readonly gateway: number; readonly serving: number };
  readonly servingUrl: string;
}

/**
 * All variables of one app: a list of what it needs, so that nothing else that the person's shell holds (PGPASSWORD, tokens
 * of a cloud, the administrator's KONTOR_PG_URL) gets there. Serving has no address of the database.
 */
export const appEnvironment = (app: AppName, context: AppContext): Record<string, string> => {
  const { config, databaseUrl, natsUrl, keysDir, port, servingUrl } = context;
  const withArtifacts = WITH_ARTIFACTS.includes(app);
  const names = [...OF_THE_SYSTEM, ...OF_THE_APP[app], ...(withArtifacts ? OF_A_BUCKET : [])];
  const inherited = names.flatMap((name) => {
    const value = config.environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const isDoor = app === 'gateway' || app === 'serving';
  return {
    ...Object.fromEntries(inherited),
    KONTOR_NATS_URL: natsUrl,
    KONTOR_KEYS_DIR: keysDir,
    ...(withArtifacts && config.artifactsDir !== undefined && { KONTOR_ARTIFACTS_DIR: config.artifactsDir }),
    ...(app !== 'serving' && { KONTOR_PG_URL: databaseUrl }),
    ...(!isDoor && { KONTOR_HEALTH_PORT: '0' }),
    ...(isDoor && { KONTOR_HOST: config.host, KONTOR_AUTH: config.auth }),
    ...(app === 'gateway' && { KONTOR_PORT: String(port.gateway) }),
    // Serving keeps its routes in the data directory.
    ...(app === 'serving' && { KONTOR_SERVING_PORT: String(port.serving), KONTOR_DATA_DIR: config.dataDir }),
    ...(app === 'monitoring' && { KONTOR_SERVING_URL: servingUrl }),
  };
};
