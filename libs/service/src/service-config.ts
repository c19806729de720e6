import { join, resolve } from 'node:path';
import { z } from 'zod';
import { defineConfig, serviceVariables } from './define-config.js';
import type { ServiceConfig } from './service.module.js';

/** What every service needs, out of the variables that every service reads. */
export const toServiceConfig = (set: z.output<z.ZodObject<typeof serviceVariables>>): ServiceConfig => ({
  pgUrl: set.KONTOR_PG_URL,
  natsUrl: set.KONTOR_NATS_URL,
  keysDir: resolve(set.KONTOR_KEYS_DIR ?? join(set.KONTOR_DATA_DIR, 'keys')),
  healthPort: set.KONTOR_HEALTH_PORT,
  witness: set.KONTOR_WITNESS,
  anchorDir: set.KONTOR_ANCHOR_DIR === undefined ? undefined : resolve(set.KONTOR_ANCHOR_DIR),
});

/** Reads what every service needs from the environment. @throws ConfigError */
export const readServiceConfig = defineConfig(z.object(serviceVariables).transform(toServiceConfig));
