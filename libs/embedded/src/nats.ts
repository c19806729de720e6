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

/** A user beside the one that may do everything. */
interface NatsUser {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Whether it answers requests. */
  readonly answers: boolean;
}

/** Users, and the server that they are users of. */
export interface NatsServer extends RunningServer {
  /** The URL with the name and password of one of `users`. @throws if there is no such user */
  urlOf(user: string): string;
}

type Accounts = ReadonlyMap<string, { readonly password: string; readonly user?: NatsUser }>;

const userLine = ([name, { password, user }]: [string, { password: string; user?: NatsUser }]): string =>
  JSON.stringify({
    user: name,
    password,
    ...(user && {
      permissions: {
        publish: { allow: user.publish },
        subscribe: { allow: user.subscribe },
        ...(user.answers && { allow_responses: true }),
      },
    }),
  });

/**
 * What streams may reserve together. Without it nats-server takes three quarters of what is free, and a machine with less
 * than 8 GiB free could not make Kontor's streams, whose limits come to 6 GiB and which hold some MiB after the demo.
 */
const MAX_STORE_BYTES = 8 * 1024 ** 3;

/** Written by `JSON.stringify`'s rules, which NATS' configuration format accepts. */
const configuration = (options: {
  port: number;
  storeDir: string;
  accounts: Accounts;
}): string => `listen: "127.0.0.1:${options.port}"
server_name: "kontor"
jetstream { store_dir: ${JSON.stringify(options.storeDir)}, max_file_store: ${MAX_STORE_BYTES} }
authorization { users: [
${[...options.accounts].map(userLine).join(',\n')}
] }
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
  log(`ending nats-server ${pid}, which an earlier start left behind on ${configFile}`);
  await endProcess(pid, 'SIGINT', PREDECESSOR_TIMEOUT_MS);
};

/**
 * Starts a nats-server with JetStream on `<dataDir>/nats`, file storage, on loopback only, with generated passwords (mode
 * 0600, in the configuration file, so that no command line shows them). The caller holds the data directory's lock.
 *
 * @param binary the executable, from `resolveNatsServer`
 * @param users by name, each with what it may do; `url` belongs to a user that may do everything
 * @param port the one to listen on, for a restart under the same address; default: any free one
 * @throws ServerStartError with the server's own last lines
 */
export const startNats = async (options: {
  dataDir: string;
  binary: string;
  log: (line: string) => void;
  port?: number;
  users?: Readonly<Record<string, NatsUser>>;
}): Promise<NatsServer> => {
  const { binary, log, users = {} } = options;
  const directory = join(resolve(options.dataDir), 'nats');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const accounts = new Map<string, { password: string; user?: NatsUser }>([
    [USER, { password: await readOrCreateSecret(join(directory, 'secret')) }],
  ]);
  for (const [name, user] of Object.entries(users)) {
    accounts.set(name, { password: await readOrCreateSecret(join(directory, `${name}.secret`)), user });
  }
  const configFile = join(directory, 'nats.conf');
  const pidFile = join(directory, 'nats.pid');
  await endPredecessor(pidFile, configFile, log);
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const storeDir = join(directory, 'jetstream');
    await writeFile(configFile, configuration({ port, storeDir, accounts }), { mode: 0o600 });
    const args = ['--config', configFile, '--pid', pidFile];
    try {
      const server = await spawnServer({ name: 'nats-server', command: binary, args, log });
      await server.ready(() => accepts(port), READY_TIMEOUT_MS);
      const urlOf = (name: string): string => {
        const account = accounts.get(name);
        if (!account) throw new Error(`NATS has no user ${name}`);
        return `nats://${name}:${account.password}@127.0.0.1:${port}`;
      };
      return { url: urlOf(USER), urlOf, port, pid: server.pid, exited: server.exited, stop: () => server.stop() };
    } catch (error) {
      const isTaken = error instanceof ServerStartError && error.output.includes('address already in use');
      if (!isTaken || attempt === PORT_ATTEMPTS) throw error;
    }
  }
};
