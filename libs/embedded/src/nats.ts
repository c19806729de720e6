import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join, resolve } from 'node:path';
import { freePort } from './free-port.js';
import { commandLineOf, endProcess, isAlive } from './process-identity.js';
import { readOrCreateSecret } from './secret.js';
import { type RunningServer, ServerStartError, spawnServer } from './server-process.js';
import { unlessMissing } from './unless-missing.js';

const USER = 'kontor';

/** JetStream reads its files before it listens; the store is a cache of bounded size. */
const READY_TIMEOUT_MS = 60_000;

/** A nats-server that was left behind flushes its store and ends. */
const PREDECESSOR_TIMEOUT_MS = 10_000;

/** Another process may take a free port between the look and the listening; more often than this it is no accident. */
const PORT_ATTEMPTS = 5;

/** Written without quotes by `JSON.stringify`'s rules, which NATS' configuration format accepts. */
const configuration = (options: {
  port: number;
  storeDir: string;
  password: string;
}): string => `listen: "127.0.0.1:${String(options.port)}"
server_name: "kontor"
jetstream { store_dir: ${JSON.stringify(options.storeDir)} }
authorization { user: "${USER}", password: "${options.password}" }
`;

const accepts = (port: number): Promise<boolean> =>
  new Promise((answer) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    socket.once('error', () => {
      answer(false);
    });
    // The server greets at once: only a nats-server counts, not whoever has the port.
    socket.once('data', (greeting) => {
      answer(greeting.toString().startsWith('INFO '));
      socket.destroy();
    });
    socket.once('close', () => {
      answer(false);
    });
  });

/** nats-server does not lock its store, and two on one store destroy it: one that a killed parent left behind is ended. */
const endPredecessor = async (pidFile: string, configFile: string, log: (line: string) => void): Promise<void> => {
  const pid = Number(await unlessMissing(readFile(pidFile, 'utf8')));
  if (!Number.isSafeInteger(pid) || pid <= 1 || !isAlive(pid)) return;
  if (!` ${commandLineOf(pid) ?? ''} `.includes(` ${configFile} `)) return;
  log(`ending nats-server ${String(pid)}, which an earlier start left behind on ${configFile}`);
  await endProcess(pid, 'SIGINT', PREDECESSOR_TIMEOUT_MS);
};

/**
 * Starts a nats-server with JetStream on `<dataDir>/nats`, file storage, on loopback only, with one user and a generated
 * password (mode 0600, in the configuration file, so that no command line shows it). The caller holds the data directory's lock.
 *
 * @param binary - the executable, from `resolveNatsServer`
 * @param port - the one to listen on, for a restart under the same address; default: any free one
 * @throws ServerStartError with the server's own last lines
 */
export const startNats = async (options: {
  dataDir: string;
  binary: string;
  log: (line: string) => void;
  port?: number;
}): Promise<RunningServer> => {
  const { binary, log } = options;
  const directory = join(resolve(options.dataDir), 'nats');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const password = await readOrCreateSecret(join(directory, 'secret'));
  const configFile = join(directory, 'nats.conf');
  const pidFile = join(directory, 'nats.pid');
  await endPredecessor(pidFile, configFile, log);
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const storeDir = join(directory, 'jetstream');
    await writeFile(configFile, configuration({ port, storeDir, password }), { mode: 0o600 });
    const args = ['--config', configFile, '--pid', pidFile];
    try {
      const server = await spawnServer({ name: 'nats-server', command: binary, args, log });
      await server.ready(() => accepts(port), READY_TIMEOUT_MS);
      const url = `nats://${USER}:${password}@127.0.0.1:${String(port)}`;
      return { url, port, pid: server.pid, exited: server.exited, stop: () => server.stop() };
    } catch (error) {
      const isTaken = error instanceof ServerStartError && error.output.includes('address already in use');
      if (!isTaken || attempt === PORT_ATTEMPTS) throw error;
    }
  }
};
