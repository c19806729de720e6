import { join } from 'node:path';
import type { ArtifactSettings } from '@kontor/artifact-store';
import {
  artifactVariables,
  DEFAULT_WORKSPACE,
  defineConfig,
  type DoorConfig,
  doorVariables,
  portVariable,
  refuseOpenDoor,
  refuseUnclearStorage,
  serviceVariables,
  toArtifactSettings,
  toDoorConfig,
} from '@kontor/service/process';
import { z } from 'zod';

export interface ServingConfig extends DoorConfig {
  readonly natsUrl: string;
  readonly dataDir: string;
  readonly keysDir: string;
  /** Where the bytes of models lie. */
  readonly artifacts: ArtifactSettings;
  readonly workspace: string;
  readonly port: number;
}

/** Reads the environment. @throws ConfigError that names each variable, its value and what is allowed */
export const readConfig = defineConfig(
  z
    .object({
      ...doorVariables,
      KONTOR_NATS_URL: serviceVariables.KONTOR_NATS_URL.default('nats://127.0.0.1:4222'),
      KONTOR_DATA_DIR: serviceVariables.KONTOR_DATA_DIR,
      KONTOR_KEYS_DIR: serviceVariables.KONTOR_KEYS_DIR,
      ...artifactVariables,
      /** A serving process holds the endpoints of one workspace: its addresses are their names. */
      KONTOR_WORKSPACE: z.string().default(DEFAULT_WORKSPACE),
      KONTOR_SERVING_PORT: portVariable.default(4010),
    })
    .refine(...refuseOpenDoor)
    .superRefine(refuseUnclearStorage)
    .transform((set): ServingConfig => ({
      ...toDoorConfig(set),
      natsUrl: set.KONTOR_NATS_URL,
      dataDir: set.KONTOR_DATA_DIR,
      keysDir: set.KONTOR_KEYS_DIR ?? join(set.KONTOR_DATA_DIR, 'keys'),
      artifacts: toArtifactSettings(set),
      workspace: set.KONTOR_WORKSPACE,
      port: set.KONTOR_SERVING_PORT,
    })),
);
