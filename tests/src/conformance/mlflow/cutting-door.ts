import { once } from 'node:events';
import { createServer, type IncomingMessage, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { holdAppends } from '@kontor/testing';
import type { Platform } from '../../platform.js';

interface CuttingDoor {
  readonly url: string;
  /** How many requests got no answer. */
  cuts(): number;
  stop(): Promise<void>;
}

/**
 * A door in front of the gateway that cuts the link, on both sides, the first time that each path is written to: after the
 * registry has taken the command and before the gateway could answer. What was asked then happens, and nobody is told.
 */
export const startCuttingDoor = async ({ gatewayUrl, superuserUrl }: Platform): Promise<CuttingDoor> => {
  const seen = new Set<string>();
  let cuts = 0;
  const server = createServer((request, response) => {
    void (async () => {
      const { method = 'GET', url = '/', headers } = request;
      const isCut = method === 'POST' && !/search/.test(url) && seen.size < seen.add(url).size;
      const held = isCut ? await holdAppends(superuserUrl, 'registry') : undefined;
      const upstream = httpRequest(`${gatewayUrl}${url}`, { method, headers, agent: false });
      request.pipe(upstream);
      if (!held) {
        const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
        return;
      }
      cuts += 1;
      upstream.on('error', () => undefined); // it is cut right here
      await held.waited();
      upstream.destroy();
      await held.release();
      request.socket.destroy();
    })();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cuts: () => cuts,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};
