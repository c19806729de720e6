import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { type LogKey, parseLogKeys, Refused, witnessSigner } from '@kontor/transparency-log';
import { witnessServer } from './http-door.js';
import { loadOrMakeKey } from './key.js';
import { Memory } from './memory.js';
import { Witness } from './witness.js';

const USAGE = `usage: kontor-witness --dir <folder> --name <name> --log <keys> [--log <keys>]... [--host <address>] [--port <port>]

Co-signs the checkpoints of logs, if each begins with the one before (C2SP tlog-witness).
  --dir <folder>    its key and what it has signed; made if it is missing. Keep it off the log's machines
  --name <name>     of the witness, such as witness.example/w1
  --log <keys>      a log's public keys, as "kontor checkpoint --key" prints them, or a file that holds them
  --host <address>  to listen on; default 127.0.0.1
  --port <port>     to listen on; default 4020, 0 takes any free one`;

class UsageError extends Error {}

const DEFAULT_PORT = '4020';

const keysOf = (argument: string): readonly LogKey[] => {
  try {
    return parseLogKeys(argument.includes('+') ? argument : readFileSync(argument, 'utf8'));
  } catch (error) {
    if (error instanceof Refused || (error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new UsageError(`--log: ${(error as Error).message}`);
    }
    throw error;
  }
};

const parse = () => {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      options: {
        dir: text,
        name: text,
        log: { ...text, multiple: true },
        host: text,
        port: text,
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
};

const main = async (): Promise<void> => {
  const { dir, name, log = [], host = '127.0.0.1', port = DEFAULT_PORT, help } = parse();
  if (help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  if (dir === undefined) throw new UsageError('--dir is needed');
  if (name === undefined || !/^[^\s+\p{Cc}]+$/u.test(name)) {
    throw new UsageError('--name is needed: a name without blanks and "+", such as witness.example/w1');
  }
  if (log.length === 0) throw new UsageError('--log is needed: a witness co-signs only logs that it knows');
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new UsageError(`--port is "${port}": 0 to 65535 is allowed`);
  const logs = log.flatMap(keysOf);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const key = loadOrMakeKey(dir);
  const memory = new Memory(dir);
  const witness = new Witness(logs, memory, (unixS) => witnessSigner(name, key, unixS));
  const server = witnessServer({ witness, memory, origins: logs.map(({ verifier }) => verifier.name), now: Date.now });
  server.listen(Number(port), host);
  await once(server, 'listening');
  const { port: listening } = server.address() as AddressInfo;
  process.stdout.write(
    `listens on http://${host.includes(':') ? `[${host}]` : host}:${listening}\nkey: ${witnessSigner(name, key, 0).verifierKey}\n`,
  );
  const stop = (): void => {
    server.close(() => memory.close());
    server.closeAllConnections();
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
};

try {
  await main();
} catch (error) {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof UsageError) process.stderr.write(`kontor-witness: ${error.message}\n\n${USAGE}\n`);
  else if (code !== undefined) process.stderr.write(`kontor-witness: ${(error as Error).message}\n`);
  else throw error;
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
