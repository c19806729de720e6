import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** How many bytes of a chunk still pass before the link is cut; undefined = all, and it is not cut. */
export type Fate = (direction: 'toServer' | 'toClient', chunk: Buffer) => number | undefined;

export interface Proxy {
  readonly port: number;
  /** How often a link was cut. */
  cuts(): number;
  close(): Promise<void>;
}

/** A TCP proxy that cuts links in the middle. @param fate made once for each connection */
export const startProxy = async (serverPort: number, fate: () => Fate): Promise<Proxy> => {
  let cuts = 0;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    const end = (): void => {
      for (const socket of [client, upstream]) {
        socket.destroy();
        open.delete(socket);
      }
    };
    const passes = fate();
    for (const [direction, from, to] of [
      ['toServer', client, upstream],
      ['toClient', upstream, client],
    ] as const) {
      open.add(from);
      from.on('error', end).on('close', end);
      from.on('data', (chunk: Buffer) => {
        const passing = passes(direction, chunk);
        if (passing === undefined) {
          if (!to.write(chunk)) from.pause();
          return;
        }
        cuts += 1;
        // What passes is flushed before the end; the other direction is over at once.
        from.removeAllListeners('data');
        to.end(chunk.subarray(0, passing), end);
      });
      to.on('drain', () => from.resume());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    cuts: () => cuts,
    close: async () => {
      server.close();
      for (const socket of open) socket.destroy();
      await once(server, 'close');
    },
  };
};
