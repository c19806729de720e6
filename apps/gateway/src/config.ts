import { join, resolve } from 'node:path';
import { z } from 'zod';

/** Addresses that only this machine can reach. */
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

const environment = z
  .object({
    /** PostgreSQL, with the role `kontor_gateway`. */
    KONTOR_PG_URL: z.url({ protocol: /^postgres(ql)?$/ }),
    /** NATS, with credentials in the address. */
    KONTOR_NATS_URL: z.url(),
    KONTOR_DATA_DIR: z.string().min(1).default('.kontor'),
    KONTOR_KEYS_DIR: z.string().min(1).optional(),
    KONTOR_ARTIFACTS_DIR: z.string().min(1).optional(),
    /** The address to bind. Loopback by default, because open mode asks nobody who they are. */
    KONTOR_HOST: z.string().min(1).default('127.0.0.1'),
    /** 0 takes any free port. */
    KONTOR_PORT: z.coerce.number().int().min(0).max(65_535).default(4000),
    KONTOR_AUTH: z.enum(['open', 'token']).optional(),
    /** Host names beside the bound address under which the gateway is reached, separated by commas. */
    KONTOR_ALLOWED_HOSTS: z.string().default(''),
    /** Whether clients may ask for the schema. The explorer needs it; the SDL is public anyway. */
    KONTOR_INTROSPECTION: z.enum(['on', 'off']).default('on'),
  })
  .transform((env) => ({
    pgUrl: env.KONTOR_PG_URL,
    natsUrl: env.KONTOR_NATS_URL,
    keysDir: resolve(env.KONTOR_KEYS_DIR ?? join(env.KONTOR_DATA_DIR, 'keys')),
    artifactsDir: resolve(env.KONTOR_ARTIFACTS_DIR ?? join(env.KONTOR_DATA_DIR, 'artifacts')),
    host: env.KONTOR_HOST,
    port: env.KONTOR_PORT,
    auth: env.KONTOR_AUTH ?? (LOOPBACK.has(env.KONTOR_HOST) ? ('open' as const) : ('token' as const)),
    allowedHosts: env.KONTOR_ALLOWED_HOSTS.split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()])),
    introspection: env.KONTOR_INTROSPECTION === 'on',
  }))
  .refine(({ auth, host }) => auth === 'token' || LOOPBACK.has(host), {
    path: ['KONTOR_AUTH'],
    error:
      'open lets everybody in, so it is allowed only while KONTOR_HOST is a loopback address; set KONTOR_AUTH=token',
  });

export type GatewayConfig = z.output<typeof environment>;

/** A variable that stops the start: its name, and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads the environment of the gateway.
 *
 * @throws ConfigError that names each wrong variable, its value's problem and what is allowed.
 */
export const gatewayConfig = (env: NodeJS.ProcessEnv = process.env): GatewayConfig => {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(set);
  if (parsed.success) return parsed.data;
  throw new ConfigError(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'));
};

/** What a replay needs: the database alone. @throws ConfigError */
export const replayConfig = (env: NodeJS.ProcessEnv = process.env): Pick<GatewayConfig, 'pgUrl'> => {
  const parsed = z.url({ protocol: /^postgres(ql)?$/ }).safeParse(env['KONTOR_PG_URL']);
  if (!parsed.success) throw new ConfigError('KONTOR_PG_URL: must be the address of PostgreSQL, postgres://…');
  return { pgUrl: parsed.data };
};
