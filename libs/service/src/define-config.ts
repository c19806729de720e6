import { z } from 'zod';
import { witnessVariable } from './witness-variable.js';

/** A wrong setting: the process must not start. */
export class ConfigError extends Error {
  constructor(lines: readonly string[]) {
    super(lines.join('\n'));
    this.name = 'ConfigError';
  }
}

// What a message shows of a value that may hold a password.
const masked = (name: string, value: string): string => {
  if (/SECRET|PASSWORD|TOKEN/.test(name)) return '***';
  // Up to the last @ and from the first ? on: a password may hold any sign, and PostgreSQL takes one as a parameter.
  return /URL/.test(name) ? value.replace(/^([a-z]*:\/\/)?.*@/is, '$1***@').replace(/\?.*$/s, '?***') : value;
};

/**
 * Reads the environment with one schema per app: a field per variable, with default and limits. An empty variable
 * counts as not set.
 *
 * @throws ConfigError with one line per wrong variable: its name, its value (passwords masked) and what is allowed.
 */
export const defineConfig =
  <Schema extends z.ZodType>(schema: Schema) =>
  (environment: NodeJS.ProcessEnv = process.env): z.output<Schema> => {
    const set = Object.fromEntries(
      Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
    );
    const parsed = schema.safeParse(set);
    if (parsed.success) return parsed.data;
    throw new ConfigError(
      parsed.error.issues.map(({ path, message }) => {
        const name = path.join('.');
        const value = set[name];
        return value === undefined
          ? `${name} is not set: ${message}`
          : `${name} is "${masked(name, value)}": ${message}`;
      }),
    );
  };

const url = (protocol: RegExp, example: string) => z.url({ protocol, error: `must be an address such as ${example}` });
const PORT = 'must be a port from 0 to 65535';
/** A port to listen on; 0 takes any free one. */
export const portVariable = z.coerce.number({ error: PORT }).int(PORT).min(0, PORT).max(65_535, PORT);

/** Variables that every service reads. */
export const serviceVariables = {
  /** PostgreSQL, with the role of this service. */
  KONTOR_PG_URL: url(/^postgres(ql)?$/, 'postgres://kontor_registry:…@127.0.0.1:5432/kontor'),
  /** NATS, with user and password. */
  KONTOR_NATS_URL: url(/^(nats|tls)$/, 'nats://user:…@127.0.0.1:4222'),
  /** All state of the installation. */
  KONTOR_DATA_DIR: z.string().default('.kontor'),
  /** Key pairs; the public halves say whose commands are believed. Default: `keys` in the data directory. */
  KONTOR_KEYS_DIR: z.string().optional(),
  /** Where /health/live and /health/ready listen, on loopback; 0 takes any free port. */
  KONTOR_HEALTH_PORT: portVariable.default(0),
  /** Who co-signs the checkpoints of the log. Default: nobody. */
  KONTOR_WITNESS: witnessVariable,
  /** Every checkpoint is also kept here, a file each; put it on another disk or host. Default: nowhere. */
  KONTOR_ANCHOR_DIR: z.string().optional(),
} as const;
