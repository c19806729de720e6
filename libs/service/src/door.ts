import { z } from 'zod';

/** Whether only this machine can reach the address. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);

/** Variables of a process that clients reach. */
export const doorVariables = {
  /** The address to listen on. Loopback by default, because open mode asks nobody who they are. */
  KONTOR_HOST: z.string().default('127.0.0.1'),
  /** By default `open` on loopback and `token` everywhere else. */
  KONTOR_AUTH: z.enum(['open', 'token'], { error: 'must be "open" or "token"' }).optional(),
  /** Names beside those of this machine and KONTOR_HOST under which clients reach this process, separated by commas. */
  KONTOR_ALLOWED_HOSTS: z.string().default(''),
} as const;

/** Who may come in, and under which names. */
export interface DoorConfig {
  readonly host: string;
  readonly auth: 'open' | 'token';
  readonly allowedHosts: readonly string[];
}

type DoorSettings = z.output<z.ZodObject<typeof doorVariables>>;

/** What a door needs, out of {@link doorVariables}; {@link refuseOpenDoor} must have passed. */
export const toDoorConfig = (set: DoorSettings): DoorConfig => ({
  host: set.KONTOR_HOST,
  auth: set.KONTOR_AUTH ?? (isLoopback(set.KONTOR_HOST) ? 'open' : 'token'),
  allowedHosts: [set.KONTOR_HOST, ...set.KONTOR_ALLOWED_HOSTS.split(',').map((name) => name.trim())].filter(Boolean),
});

/** Open mode lets everybody in, so it is refused where others can knock. */
export const refuseOpenDoor: [(set: DoorSettings) => boolean, { path: string[]; error: string }] = [
  (set) => set.KONTOR_AUTH !== 'open' || isLoopback(set.KONTOR_HOST),
  {
    path: ['KONTOR_AUTH'],
    error: 'lets everybody in, which is allowed only while KONTOR_HOST is a loopback address; set KONTOR_AUTH=token',
  },
];
