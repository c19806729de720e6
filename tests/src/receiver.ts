import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A message of a webhook, as it came. */
export interface Received {
  readonly deliveryId: string;
  readonly body: string;
}

/** What creates a webhook for the receiver to be allowed: it is on this machine, and speaks http. */
export const ANY_WEBHOOK = { KONTOR_WEBHOOK_ALLOW_HTTP: 'on', KONTOR_WEBHOOK_ALLOW_PRIVATE: 'on' };

/**
 * A receiver of webhooks that knows nothing of Kontor: checks each signature and keeps what it takes.
 *
 * @param answer what to do with a message that is genuine; by default it is taken.
 */
export const startReceiver = async (
  secret: string,
  answer: (message: Received, response: ServerResponse) => void = (_, response) => void response.end('taken'),
) => {
  const received: Received[] = [];
  const forged: string[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const header = (name: string): string => String(request.headers[name]);
    const [deliveryId, timestamp] = [header('x-mlflow-delivery-id'), header('x-mlflow-timestamp')];
    const hmac = createHmac('sha256', secret).update(`${deliveryId}.${timestamp}.`).update(body);
    const [expected, found] = [`v1,${hmac.digest('base64')}`, header('x-mlflow-signature')].map((one) =>
      Buffer.from(one),
    );
    if (!expected || !found || expected.length !== found.length || !timingSafeEqual(expected, found)) {
      forged.push(body.toString());
      response.writeHead(401).end();
      return;
    }
    const message = { deliveryId, body: body.toString() };
    received.push(message);
    answer(message, response);
  };
  const server = createServer((request, response) => void take(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received: received as readonly Received[],
    forged: forged as readonly string[],
    stop: (): void => {
      server.closeAllConnections();
      server.close();
    },
  };
};
