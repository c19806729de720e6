import { type ServiceConfig, toServiceConfig } from '@kontor/service';
import {
  defineConfig,
  type OutgoingRules,
  outgoingVariables,
  serviceVariables,
  toOutgoingRules,
} from '@kontor/service/process';
import { z } from 'zod';

export interface RegistryConfig extends ServiceConfig {
  /** Which webhooks may be called. */
  readonly webhooks: OutgoingRules;
}

/** Reads the environment of the registry service. @throws ConfigError */
export const readRegistryConfig = defineConfig(
  z
    .object({ ...serviceVariables, ...outgoingVariables })
    .transform((set): RegistryConfig => ({ ...toServiceConfig(set), webhooks: toOutgoingRules(set) })),
);
