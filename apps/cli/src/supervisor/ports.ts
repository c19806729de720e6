import { createServer, type Server } from 'node:net';
import { isPortFree } from '@kontor/embedded';
import type { CliConfig, Door } from '../config.js';
import { UsageError } from '../usage-error.js';

/** The ports that gateway and serving listen on. */
export interface Ports {
  readonly gateway: number;
  readonly serving: number;
  /** Gives the claims up, once nothing listens any more; they end with this process too. */
  release(): void;
}

/**
 * From a taken port to the next one that is tried. The defaults, 4000 and 4010, differ by 10, so no gateway's port is ever one of a
 * serving process, and none up to 4985 is one that browsers refuse. @source https://fetch.spec.whatwg.org/#port-blocking
 */
const STEP = 25;
/** Stays below the ports that the system lends to outgoing connections: one of those could be gone while an app restarts. */
const TRIES = 40;

/**
 * Claims a port for as long as the platform runs: two clones that start at once would both find it free, and so would one that
 * starts while the app of another is restarted. An abstract socket is taken at once or not at all, by any user, and goes with
 * its process. Only Linux has them; elsewhere the second of the two is told that the port is in use.
 * @returns undefined if another platform has claimed it
 */
const claim = (host: string, port: number): Promise<Server | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer().unref();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    if (process.platform !== 'linux') resolve(server);
    else server.listen(`\0kontor-port-${host}-${port}`, () => void resolve(server));
  });

/** Where a client on this machine reaches a server that listens on `host`. */
export const urlOf = (host: string, port: number): string => {
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
};

/** @returns the claim on the port, undefined if it is taken. What is claimed is not even probed: its app may be about to listen. */
const take = async (host: string, port: number): Promise<Server | undefined> => {
  const claimed = await claim(host, port);
  if (!claimed) return undefined;
  try {
    if (await isPortFree(host, port)) return claimed;
  } catch (cause) {
    claimed.close();
    const reason = (cause as Error).message;
    throw new UsageError(
      `KONTOR_HOST: "${host}" cannot be listened on (${reason}); allowed is an address or name of this machine`,
      { cause },
    );
  }
  claimed.close();
  return undefined;
};

const choose = async (
  host: string,
  name: string,
  door: Door,
  { say, claims }: { say: (line: string) => void; claims: Server[] },
): Promise<number> => {
  const candidates = Array.from({ length: door.isExplicit ? 1 : TRIES }, (_, i) => door.port + i * STEP);
  for (const port of candidates) {
    const claimed = await take(host, port);
    if (!claimed) continue;
    claims.push(claimed);
    if (port !== door.port) say(`port ${door.port} is taken: using ${port} (set ${name} to choose one)`);
    return port;
  }
  const taken = door.isExplicit ? 'is taken' : `and the ${TRIES - 1} tried after it are taken`;
  throw new UsageError(`${name}: port ${door.port} ${taken} on ${host}; allowed is any free port`);
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
