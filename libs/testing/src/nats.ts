import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockDataDirectory, startNats } from '@kontor/embedded';
import { inject } from 'vitest';

/** A nats-server of its own for one spec file. */
export interface TestNats {
  /** With user and password; this user may do everything. */
  readonly url: string;
  /** The address with the name and password of one of the users that were asked for. */
  urlOf(user: string): string;
  /** Ends the server as kill -9 does; JetStream's files stay. */
  kill(): Promise<void>;
  /** Where JetStream's files lie, to copy or remove them while the server is killed. */
  readonly storeDir: string;
  /** Starts a killed server again, on the same address and files. */
  restart(): Promise<void>;
  /** Ends the server and removes its files. Not calling it leaks nothing but a temporary directory until the next run. */
  stop(): Promise<void>;
}

/** The nats-server executable of this run. To be called inside a hook or a test of the `int` project. */
export const natsServer = (): string => inject('kontorNatsServer');

const silent = (): void => undefined;

/**
 * A real nats-server with JetStream and file storage, for the caller alone: streams, buckets and permissions of spec files cannot
 * meet. It takes some 50 ms and 15 MB. To be called inside a hook or a test of the `int` project.
 */
export const testNats = async ({
  users = {},
}: Pick<Parameters<typeof startNats>[0], 'users'> = {}): Promise<TestNats> => {
  const binary = natsServer();
  const dataDir = await mkdtemp(join(tmpdir(), 'kontor-test-'));
  await lockDataDirectory(dataDir);
  let server = await startNats({ dataDir, binary, log: silent, users });
  const { url, urlOf, port } = server;
  return {
    url,
    urlOf,
    storeDir: join(dataDir, 'nats', 'jetstream'),
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    restart: async () => {
      server = await startNats({ dataDir, binary, log: silent, users, port });
    },
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};
