import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
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

const filesOf = (dataDir: string) => {
  const directory = join(resolve(dataDir), 'nats');
  return { directory, configFile: join(directory, 'nats.conf'), pidFile: join(directory, 'nats.pid') };
};

/** The process that runs with a configuration, whoever started it; undefined if none does. */
const runningOn = async ({ configFile, pidFile }: ReturnType<typeof filesOf>): Promise<number | undefined> => {
  const pid = Number(await unlessMissing(readFile(pidFile, 'utf8')));
  if (!Number.isSafeInteger(pid) || pid <= 1 || !isAlive(pid)) return undefined;
  return ` ${commandLineOf(pid) ?? ''} `.includes(` ${configFile} `) ? pid : undefined;
};

/** nats-server does not lock its store, and two on one store destroy it: one that a killed parent left behind is ended. */
const endPredecessor = async (files: ReturnType<typeof filesOf>, log: (line: string) => void): Promise<void> => {
  const pid = await runningOn(files);
  if (pid === undefined) return;
  log(`ending nats-server ${pid}, which an earlier start left behind on ${files.configFile}`);
  await endProcess(pid, 'SIGINT', PREDECESSOR_TIMEOUT_MS);
};

/** The users with their passwords, which are made on first use, each in `<directory>/<user>.secret`. */
const readAccounts = async (directory: string, users: Readonly<Record<string, NatsUser>>): Promise<Accounts> => {
  const accounts = new Map<string, { password: string; user?: NatsUser }>([
    [USER, { password: await readOrCreateSecret(join(directory, 'secret')) }],
  ]);
  for (const [name, user] of Object.entries(users)) {
    accounts.set(name, { password: await readOrCreateSecret(join(directory, `${name}.secret`)), user });
  }
  return accounts;
};

/** Replaces the configuration as a whole: a server that reads it sees the old or the new one. */
const writeConfiguration = async (dataDir: string, port: number, accounts: Accounts): Promise<void> => {
  const { directory, configFile } = filesOf(dataDir);
  const draft = `${configFile}.${process.pid}`;
  await writeFile(draft, configuration({ port, storeDir: join(directory, 'jetstream'), accounts }), { mode: 0o600 });
  await rename(draft, configFile);
};

const urlFor =
  (port: number, accounts: Accounts) =>
  (name: string): string => {
    const account = accounts.get(name);
    if (!account) throw new Error(`NATS has no user ${name}`);
    return `nats://${name}:${account.password}@127.0.0.1:${port}`;
  };

/** The URL of the server that runs on `dataDir`, with the user that may do everything. */
export const natsAdminUrl = async (dataDir: string, port: number): Promise<string> =>
  urlFor(port, await readAccounts(filesOf(dataDir).directory, {}))(USER);

/**
 * Gives the server that runs on `dataDir` these users instead of those it has. It learns them by SIGHUP, a moment later;
 * who is no user any more loses the connection, all others keep it.
 *
 * @throws Error if no server runs there
 */
export const reloadNats = async ({
  dataDir,
  users,
  port,
}: {
  dataDir: string;
  users: Readonly<Record<string, NatsUser>>;
  port: number;
}): Promise<Pick<NatsServer, 'urlOf'>> => {
  const files = filesOf(dataDir);
  const pid = await runningOn(files);
  if (pid === undefined) throw new Error(`no nats-server runs on ${files.configFile}`);
  const accounts = await readAccounts(files.directory, users);
  await writeConfiguration(dataDir, port, accounts);
  process.kill(pid, 'SIGHUP');
  return { urlOf: urlFor(port, accounts) };
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
  const files = filesOf(options.dataDir);
  const { directory, configFile, pidFile } = files;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const accounts = await readAccounts(directory, users);
  await endPredecessor(files, log);
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    await writeConfiguration(options.dataDir, port, accounts);
    const args = ['--config', configFile, '--pid', pidFile];
    try {
      const server = await spawnServer({ name: 'nats-server', command: binary, args, log });
      await server.ready(() => accepts(port), READY_TIMEOUT_MS);
      const urlOf = urlFor(port, accounts);
      return { url: urlOf(USER), urlOf, port, pid: server.pid, exited: server.exited, stop: () => server.stop() };
    } catch (error) {
      const isTaken = error instanceof ServerStartError && error.output.includes('address already in use');
      if (!isTaken || attempt === PORT_ATTEMPTS) throw error;
    }
  }
};
