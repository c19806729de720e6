import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { refuseForeign } from './local-host.js';

/** Why a process is not ready; empty if it is. */
export type Problems = () => readonly string[];

/** A small door for probes: `/health/live` and `/health/ready`, on loopback only. */
export const startHealthServer = async (
  port: number,
  problems: Problems,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> => {
  const server = createServer((request, response) => {
    const foreign = refuseForeign(request.headers, []);
    const found = request.url === '/health/ready' ? problems() : [];
    const isKnown = request.url === '/health/live' || request.url === '/health/ready';
    const status = foreign ? 403 : !isKnown ? 404 : found.length > 0 ? 503 : 200;
    const body = foreign
      ? { error: foreign }
      : !isKnown
        ? { error: 'allowed are /health/live and /health/ready' }
        : { ok: status === 200, problems: found };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
};
