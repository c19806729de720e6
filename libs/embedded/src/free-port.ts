import { createServer } from 'node:net';

/** Whether a server could listen on this port now. */
export const isPortFree = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen({ host, port, exclusive: true }, () =>
      server.close(() => {
        resolve(true);
      }),
    );
  });

/** A port that was free a moment ago. Another process may take it first: whoever listens must be ready to try again. */
export const freePort = (host = '127.0.0.1'): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port: 0, exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error(`no port on ${host}`));
        else resolve(address.port);
      });
    });
  });
