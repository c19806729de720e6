import { join } from 'node:path';
import { z } from 'zod';

const port = z.coerce.number().int().min(0).max(65_535);

const environment = z.object({
  KONTOR_NATS_URL: z.url({ protocol: /^(nats|tls|ws|wss)$/ }).default('nats://127.0.0.1:4222'),
  KONTOR_DATA_DIR: z.string().min(1).default('.kontor'),
  KONTOR_KEYS_DIR: z.string().min(1).optional(),
  KONTOR_ARTIFACTS_DIR: z.string().min(1).optional(),
  KONTOR_HOST: z.string().min(1).default('127.0.0.1'),
  /** 0 is any free port. */
  KONTOR_SERVING_PORT: port.default(4010),
  /** Names beside localhost, IP addresses and KONTOR_HOST under which browsers and clients may reach this process. */
  KONTOR_ALLOWED_HOSTS: z.string().default(''),
});

export interface ServingConfig {
  readonly natsUrl: string;
  readonly dataDir: string;
  readonly keysDir: string;
  readonly artifactsDir: string;
  readonly host: string;
  readonly port: number;
  readonly allowedHosts: readonly string[];
}

/** @throws Error that names each variable, the problem of its value and what is allowed */
export const readConfig = (env: Readonly<Record<string, string | undefined>> = process.env): ServingConfig => {
  const parsed = environment.safeParse(env);
  if (!parsed.success) throw new Error(`serving cannot start:\n${z.prettifyError(parsed.error)}`);
  const values = parsed.data;
  return {
    natsUrl: values.KONTOR_NATS_URL,
    dataDir: values.KONTOR_DATA_DIR,
    keysDir: values.KONTOR_KEYS_DIR ?? join(values.KONTOR_DATA_DIR, 'keys'),
    artifactsDir: values.KONTOR_ARTIFACTS_DIR ?? join(values.KONTOR_DATA_DIR, 'artifacts'),
    host: values.KONTOR_HOST,
    port: values.KONTOR_SERVING_PORT,
    allowedHosts: values.KONTOR_ALLOWED_HOSTS.split(',').filter((name) => name !== ''),
  };
};
