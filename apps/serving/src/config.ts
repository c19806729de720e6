import { join } from 'node:path';
import { defineConfig, serviceVariables } from '@kontor/service/process';
import { z } from 'zod';

const PORT = 'must be a port from 0 to 65535';

export interface ServingConfig {
  readonly natsUrl: string;
  readonly dataDir: string;
  readonly keysDir: string;
  readonly artifactsDir: string;
  readonly workspace: string;
  readonly host: string;
  readonly port: number;
  readonly allowedHosts: readonly string[];
}

/** Reads the environment. @throws ConfigError that names each variable, its value and what is allowed */
export const readConfig = defineConfig(
  z
    .object({
      KONTOR_NATS_URL: serviceVariables.KONTOR_NATS_URL.default('nats://127.0.0.1:4222'),
      KONTOR_DATA_DIR: serviceVariables.KONTOR_DATA_DIR,
      KONTOR_KEYS_DIR: serviceVariables.KONTOR_KEYS_DIR,
      KONTOR_ARTIFACTS_DIR: serviceVariables.KONTOR_ARTIFACTS_DIR,
      /** A serving process holds the endpoints of one workspace: its addresses are their names. */
      KONTOR_WORKSPACE: z.string().default('default'),
      KONTOR_HOST: z.string().default('127.0.0.1'),
      /** 0 is any free port. */
      KONTOR_SERVING_PORT: z.coerce.number({ error: PORT }).int(PORT).min(0, PORT).max(65_535, PORT).default(4010),
      /** Names beside localhost, addresses and KONTOR_HOST under which clients may reach this process. */
      KONTOR_ALLOWED_HOSTS: z.string().default(''),
    })
    .transform((set): ServingConfig => ({
      natsUrl: set.KONTOR_NATS_URL,
      dataDir: set.KONTOR_DATA_DIR,
      keysDir: set.KONTOR_KEYS_DIR ?? join(set.KONTOR_DATA_DIR, 'keys'),
      artifactsDir: set.KONTOR_ARTIFACTS_DIR ?? join(set.KONTOR_DATA_DIR, 'artifacts'),
      workspace: set.KONTOR_WORKSPACE,
      host: set.KONTOR_HOST,
      port: set.KONTOR_SERVING_PORT,
      allowedHosts: set.KONTOR_ALLOWED_HOSTS.split(',').filter((name) => name !== ''),
    })),
);
