import { type ServiceConfig, toServiceConfig } from '@kontor/service';
import { defineConfig, serviceVariables } from '@kontor/service/process';
import { z } from 'zod';

export interface MonitoringConfig extends ServiceConfig {
  /** Where endpoints are evaluated. */
  readonly servingUrl: string;
}

const variables = z.object({
  ...serviceVariables,
  /** The Open Inference Protocol's door: evaluations and baselines run through it, as clients do. */
  KONTOR_SERVING_URL: z.url({ protocol: /^https?$/ }).default('http://127.0.0.1:4010'),
});

/** Reads the environment of the monitoring service. @throws ConfigError */
export const readMonitoringConfig = defineConfig(
  variables.transform((set): MonitoringConfig => ({ ...toServiceConfig(set), servingUrl: set.KONTOR_SERVING_URL })),
);
