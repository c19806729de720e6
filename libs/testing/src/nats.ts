import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockDataDirectory, startNats } from '@kontor/embedded';
import { inject } from 'vitest';

/** A nats-server of its own for one spec file. */
export interface TestNats {
  /** With user and password. */
  readonly url: string;
  /** Ends the server as kill -9 does; JetStream's files stay. */
  kill(): Promise<void>;
  /** Starts a killed server again, on the same address and files. */
  restart(): Promise<void>;
  /** Ends the server and removes its files. Not calling it leaks nothing but a temporary directory until the next run. */
  stop(): Promise<void>;
}

const silent = (): void => undefined;

/**
 * A real nats-server with JetStream and file storage, for the caller alone: streams, buckets and permissions of spec files cannot
 * meet. It takes some 50 ms and 15 MB. To be called inside a hook or a test of the `int` project.
 */
export const testNats = async (): Promise<TestNats> => {
  const binary = inject('kontorNatsServer');
  const dataDir = await mkdtemp(join(tmpdir(), 'kontor-test-'));
  await lockDataDirectory(dataDir);
  let server = await startNats({ dataDir, binary, log: silent });
  const { url, port } = server;
  return {
    url,
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    restart: async () => {
      server = await startNats({ dataDir, binary, log: silent, port });
    },
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};
