import { freePort, isPortFree } from '@kontor/embedded';
import type { CliConfig, Door } from '../config.js';
import { UsageError } from '../usage-error.js';

/** The ports that gateway and serving listen on. */
export interface Doors {
  readonly gateway: number;
  readonly serving: number;
}

/** Serving asks for no token, so it is for this machine only, wherever the gateway listens. */
export const SERVING_HOST = '127.0.0.1';

/** Where a client on this machine reaches a server that listens on `host`. */
export const urlOf = (host: string, port: number): string => {
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${String(port)}`;
};

const open = async (host: string, name: string, door: Door, say: (line: string) => void): Promise<number> => {
  if (await isPortFree(host, door.port)) return door.port;
  if (door.isExplicit)
    throw new UsageError(`${name}: port ${String(door.port)} is taken on ${host}; allowed is any free port`);
  const other = await freePort(host);
  say(`port ${String(door.port)} is taken: using ${String(other)} (set ${name} to choose one)`);
  return other;
};

/**
 * A free port per door. A default that is taken is replaced, saying so, because several clones may run beside each other.
 * @throws UsageError if a port that a person chose is taken
 */
export const openDoors = async (
  { host, gateway, serving }: Pick<CliConfig, 'host' | 'gateway' | 'serving'>,
  say: (line: string) => void,
): Promise<Doors> => {
  if (gateway.port === serving.port)
    throw new UsageError(
      `KONTOR_SERVING_PORT: ${String(serving.port)} is KONTOR_PORT too; allowed is any other free port`,
    );
  return {
    gateway: await open(host, 'KONTOR_PORT', gateway, say),
    serving: await open(SERVING_HOST, 'KONTOR_SERVING_PORT', serving, say),
  };
};
