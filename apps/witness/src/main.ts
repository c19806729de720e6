import type { KeyObject } from 'node:crypto';
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

/** What a setting names cannot be used as things are. */
class Unusable extends Error {}

/** What the codes of the system mean for whoever gave the setting. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not',
  EADDRINUSE: 'another process listens there',
  EADDRNOTAVAIL: 'it is no address of this machine',
  EEXIST: 'it is not a folder',
  EISDIR: 'it is a directory',
  ENOENT: 'it does not exist',
  ENOTDIR: 'a part of it is not a folder',
  ENOTFOUND: 'no such host is known',
};

/** @returns Unusable with the setting, what is wrong with it and what is allowed, if the system refused it; else the error */
const unusable = (setting: string, value: string, allowed: string, error: unknown): unknown => {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  const reason = REASONS[code] ?? message;
  return new Unusable(`${setting}: "${value}" cannot be used (${reason}): allowed is ${allowed}`, { cause: error });
};

const DEFAULT_PORT = '4020';

const keysOf = (argument: string): readonly LogKey[] => {
  try {
    return parseLogKeys(argument.includes('+') ? argument : readFileSync(argument, 'utf8'));
  } catch (error) {
    if (error instanceof Refused) throw new UsageError(`--log: ${error.message}`);
    throw unusable('--log', argument, 'what "kontor checkpoint --key" prints, or a file that holds it', error);
  }
};

/** The witness' key and memory in its folder. */
const openFolder = (dir: string): { readonly key: KeyObject; readonly memory: Memory } => {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return { key: loadOrMakeKey(dir), memory: new Memory(dir) };
  } catch (error) {
    throw unusable('--dir', dir, 'a folder that this user may read and write, or a new one', error);
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
  const { key, memory } = openFolder(dir);
  const witness = new Witness(logs, memory, (unixS) => witnessSigner(name, key, unixS));
  const server = witnessServer({ witness, memory, origins: logs.map(({ verifier }) => verifier.name), now: Date.now });
  server.listen(Number(port), host);
  await once(server, 'listening').catch((error: unknown) => {
    const allowed = 'an address of this machine and a port that is free';
    throw unusable('--host and --port', `${host} ${port}`, allowed, error);
  });
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
  if (error instanceof UsageError) process.stderr.write(`kontor-witness: ${error.message}\n\n${USAGE}\n`);
  else if (error instanceof Unusable) process.stderr.write(`kontor-witness: ${error.message}\n`);
  else throw error;
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
