import { createServer, type Server } from 'node:net';
import { freePort, isPortFree } from '@kontor/embedded';
import type { CliConfig, Door } from '../config.js';
import { UsageError } from '../usage-error.js';

/** The ports that gateway and serving listen on. */
export interface Ports {
  readonly gateway: number;
  readonly serving: number;
  /** Gives the claims up, once both listen; they end with this process too. */
  release(): void;
}

/**
 * Claims a port for the seconds until an app listens on it: two clones that start at once would both find it free. An abstract
 * socket is taken at once or not at all, by any user, and goes with its process. Only Linux has them; elsewhere the second
 * of the two is told that the port is in use.
 * @returns undefined if another start has claimed it
 */
const claim = (host: string, port: number): Promise<Server | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer().unref();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(`\0kontor-port-${host}-${port}`, () => {
      resolve(server);
    });
  });

/** Where a client on this machine reaches a server that listens on `host`. */
export const urlOf = (host: string, port: number): string => {
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
};

const choose = async (
  host: string,
  name: string,
  door: Door,
  { say, claims }: { say: (line: string) => void; claims: Server[] },
): Promise<number> => {
  const claimed = process.platform === 'linux' ? await claim(host, door.port) : undefined;
  if (claimed) claims.push(claimed);
  const isFree = await isPortFree(host, door.port).catch((cause: unknown) => {
    const reason = (cause as Error).message;
    throw new UsageError(
      `KONTOR_HOST: "${host}" cannot be listened on (${reason}); allowed is an address or name of this machine`,
      { cause },
    );
  });
  if (isFree && (claimed || process.platform !== 'linux')) return door.port;
  if (door.isExplicit) throw new UsageError(`${name}: port ${door.port} is taken on ${host}; allowed is any free port`);
  const other = await freePort(host);
  say(`port ${door.port} is taken: using ${other} (set ${name} to choose one)`);
  return other;
};

/**
 * A free port per door, claimed against other starts. A default that is taken is replaced, saying so, because several clones
 * may run beside each other.
 * @throws UsageError if a port that a person chose is taken, or the host is not this machine
 */
export const choosePorts = async (
  { host, gateway, serving }: Pick<CliConfig, 'host' | 'gateway' | 'serving'>,
  say: (line: string) => void,
): Promise<Ports> => {
  if (gateway.port === serving.port)
    throw new UsageError(`KONTOR_SERVING_PORT: ${serving.port} is KONTOR_PORT too; allowed is any other free port`);
  const claims: Server[] = [];
  const release = (): void => {
    for (const server of claims.splice(0)) server.close();
  };
  try {
    return {
      gateway: await choose(host, 'KONTOR_PORT', gateway, { say, claims }),
      serving: await choose(host, 'KONTOR_SERVING_PORT', serving, { say, claims }),
      release,
    };
  } catch (error) {
    release();
    throw error;
  }
};
