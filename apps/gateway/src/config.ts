import type { ArtifactSettings } from '@kontor/artifact-store';
import { type ServiceConfig, toServiceConfig } from '@kontor/service';
import {
  artifactVariables,
  defineConfig,
  type DoorConfig,
  doorVariables,
  type OutgoingRules,
  outgoingVariables,
  portVariable,
  refuseOpenDoor,
  refuseUnclearStorage,
  serviceVariables,
  toArtifactSettings,
  toDoorConfig,
  toOutgoingRules,
} from '@kontor/service/process';
import { z } from 'zod';

export interface GatewayConfig extends DoorConfig, Omit<ServiceConfig, 'healthPort'> {
  readonly port: number;
  /** Where the bytes of artifacts lie. */
  readonly artifacts: ArtifactSettings;
  /** Whether clients may ask for the schema. The explorer needs it; the SDL is public anyway. */
  readonly introspection: boolean;
  /** Which webhooks may be made. */
  readonly webhooks: OutgoingRules;
}

const INTROSPECTION = 'must be "on" or "off"';

/** Reads the environment of the gateway. @throws ConfigError that names each variable, its value and what is allowed */
export const gatewayConfig = defineConfig(
  z
    .object({
      ...serviceVariables,
      ...doorVariables,
      ...outgoingVariables,
      ...artifactVariables,
      KONTOR_PORT: portVariable.default(4000),
      KONTOR_INTROSPECTION: z.enum(['on', 'off'], { error: INTROSPECTION }).default('on'),
    })
    .refine(...refuseOpenDoor)
    .superRefine(refuseUnclearStorage)
    .transform((set): GatewayConfig => ({
      ...toServiceConfig(set),
      ...toDoorConfig(set),
      port: set.KONTOR_PORT,
      artifacts: toArtifactSettings(set),
      introspection: set.KONTOR_INTROSPECTION === 'on',
      webhooks: toOutgoingRules(set),
    })),
);

/** What a replay needs: the database alone. @throws ConfigError */
export const replayConfig = defineConfig(
  z.object({ KONTOR_PG_URL: serviceVariables.KONTOR_PG_URL }).transform((set) => ({ pgUrl: set.KONTOR_PG_URL })),
);
