import { resolve } from 'node:path';
import {
  artifactVariables,
  ConfigError,
  defineConfig,
  isLoopback,
  outgoingVariables,
  refuseUnclearStorage,
  type WitnessAddress,
  witnessVariable,
} from '@kontor/service/process';
import { z } from 'zod';
import { UsageError } from './usage-error.js';

/** Ports below 1024 need privileges that the platform does not want. */
const port = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .refine((value) => value >= 1024 && value <= 65_535);

/** What each variable may hold, for a person. */
const allowed = {
  KONTOR_DATA_DIR: 'a path',
  KONTOR_KEYS_DIR: 'a path',
  KONTOR_HOST: 'an IP address or host name to listen on',
  KONTOR_PORT: 'a port from 1024 to 65535',
  KONTOR_SERVING_PORT: 'a port from 1024 to 65535',
  KONTOR_AUTH: '"open" or "token"',
  KONTOR_LOG_ORIGIN: 'a name of letters, digits and . / - without blanks, such as kontor.example/log/0',
  KONTOR_WEBHOOK_ALLOW_HTTP: '"on" or "off"',
  KONTOR_WEBHOOK_ALLOW_PRIVATE: '"on" or "off"',
  KONTOR_WITNESS: 'the key of a witness, as kontor-witness prints it, a blank and the address of the witness',
} as const;

const schema = z.object({
  KONTOR_DATA_DIR: z.string().optional(),
  KONTOR_KEYS_DIR: z.string().optional(),
  KONTOR_HOST: z
    .string()
    .regex(/^[\w.:-]+$/)
    .optional(),
  KONTOR_PORT: port.optional(),
  KONTOR_SERVING_PORT: port.optional(),
  KONTOR_AUTH: z.enum(['open', 'token']).optional(),
  KONTOR_LOG_ORIGIN: z
    .string()
    .regex(/^[\w./-]{1,200}$/)
    .optional(),
  ...outgoingVariables,
  KONTOR_WITNESS: witnessVariable,
});

/** Where files lie is said by variables of the apps; what is wrong with them is said before anything starts. */
const readArtifactVariables = defineConfig(z.object(artifactVariables).superRefine(refuseUnclearStorage));

const artifactsDirOf = (env: NodeJS.ProcessEnv, dataDir: string): string | undefined => {
  try {
    const set = readArtifactVariables(env);
    if (set.KONTOR_ARTIFACTS_S3_BUCKET !== undefined) return undefined;
    return resolve(set.KONTOR_ARTIFACTS_DIR ?? `${dataDir}/artifacts`);
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message);
    throw error;
  }
};

/** A port, and whether a person chose it: then another one is not an answer. */
export interface Door {
  readonly port: number;
  readonly isExplicit: boolean;
}

export interface CliConfig {
  /** All state; absolute. */
  readonly dataDir: string;
  /** All keys, and the secret of the database's passwords. An app is given a folder with those that it needs. */
  readonly keysDir: string;
  /** Undefined where artifacts lie in a bucket. */
  readonly artifactsDir: string | undefined;
  /** Address that gateway and serving listen on. */
  readonly host: string;
  readonly gateway: Door;
  readonly serving: Door;
  readonly auth: 'open' | 'token';
  /** Stands in every leaf of the log and never changes. */
  readonly logOrigin: string;
  /** Who co-signs the checkpoints of the log; undefined if nobody does. */
  readonly witness: WitnessAddress | undefined;
  /** What the servers' settings are read from; an app is given the part that it needs. */
  readonly environment: Readonly<NodeJS.ProcessEnv>;
}

const DEFAULT_PORT = 4000;
const DEFAULT_SERVING_PORT = 4010;

/**
 * The settings of the platform. An empty variable counts as not set.
 * @throws UsageError that names the variable, its value and what is allowed; also for open access on an address that others reach
 */
export const readConfig = (env: NodeJS.ProcessEnv = process.env): CliConfig => {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map(({ path }) => {
      const name = String(path[0]) as keyof typeof allowed;
      return `${name}: "${given[name]}" is not allowed; allowed is ${allowed[name]}`;
    });
    throw new UsageError(lines.join('\n'));
  }
  const settings = parsed.data;
  const host = settings.KONTOR_HOST ?? '127.0.0.1';
  const auth = settings.KONTOR_AUTH ?? (isLoopback(host) ? 'open' : 'token');
  if (auth === 'open' && !isLoopback(host))
    throw new UsageError(
      `KONTOR_AUTH: "open" is not allowed with KONTOR_HOST "${host}", which other machines can reach; ` +
        'allowed is "token", or a loopback address such as 127.0.0.1',
    );
  const dataDir = resolve(settings.KONTOR_DATA_DIR ?? '.kontor');
  const door = (chosen: number | undefined, byDefault: number): Door => ({
    port: chosen ?? byDefault,
    isExplicit: chosen !== undefined,
  });
  return {
    dataDir,
    keysDir: resolve(settings.KONTOR_KEYS_DIR ?? `${dataDir}/keys`),
    artifactsDir: artifactsDirOf(env, dataDir),
    host,
    gateway: door(settings.KONTOR_PORT, DEFAULT_PORT),
    serving: door(settings.KONTOR_SERVING_PORT, DEFAULT_SERVING_PORT),
    auth,
    logOrigin: settings.KONTOR_LOG_ORIGIN ?? 'kontor.example/log/0',
    witness: settings.KONTOR_WITNESS,
    environment: env,
  };
};
