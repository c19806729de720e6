import type { ArtifactSettings } from '@kontor/artifact-store';
import { type ServiceConfig, toServiceConfig } from '@kontor/service';
import {
  artifactVariables,
  defineConfig,
  refuseUnclearStorage,
  serviceVariables,
  toArtifactSettings,
} from '@kontor/service/process';
import { z } from 'zod';

export interface MonitoringConfig extends ServiceConfig {
  /** Where data sets and golden rows lie. */
  readonly artifacts: ArtifactSettings;
  /** Where endpoints are evaluated. */
  readonly servingUrl: string;
}

const variables = z.object({
  ...serviceVariables,
  ...artifactVariables,
  /** The Open Inference Protocol's door: evaluations and baselines run through it, as clients do. */
  KONTOR_SERVING_URL: z.url({ protocol: /^https?$/ }).default('http://127.0.0.1:4010'),
});

/** Reads the environment of the monitoring service. @throws ConfigError */
export const readMonitoringConfig = defineConfig(
  variables.superRefine(refuseUnclearStorage).transform((set): MonitoringConfig => ({
    ...toServiceConfig(set),
    artifacts: toArtifactSettings(set),
    servingUrl: set.KONTOR_SERVING_URL,
  })),
);
