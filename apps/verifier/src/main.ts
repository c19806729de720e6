import { openSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import {
  type LogKey,
  parseLogKeys,
  parseNote,
  parseWitnessKey,
  Refused,
  type Verifier,
} from '@kontor/transparency-log';
import type { KeptNote } from './earlier.js';
import { fileSource, type Piece, readSegment, type SegmentTask } from './file-source.js';
import { nameFields } from './name-fields.js';
import { report } from './report.js';
import { verifyBundle } from './verify-bundle.js';

const USAGE = `usage: kontor-verify <bundle> --key <keys> [--since <checkpoint>]... [--anchors <folder>]... [--witness <key>]...
                     [--before <bundle>]

Checks a bundle of "kontor export" without network and without Kontor.
  --key <keys>          the log's public keys, as "kontor checkpoint --key" prints them, or a file that holds them
  --since <checkpoint>  a file with a signed checkpoint that was kept from earlier; the log must still begin with it
  --anchors <folder>    every checkpoint in a folder of KONTOR_ANCHOR_DIR; the log must begin with each
  --witness <key>       a witness that must have co-signed
  --before <bundle>     a bundle from before a change: names the fields of an event that were changed
Exit code 0: all is well. 1: something is not, and it is named. 2: wrong arguments, or a file that cannot be read.`;

class UsageError extends Error {}

/** What the codes of the file system mean for whoever named the file. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not',
  EISDIR: 'it is a directory',
  ENOENT: 'it does not exist',
  ENOTDIR: 'it is no directory',
};

const readable = async <T>(path: string, read: () => Promise<T> | T): Promise<T> => {
  try {
    return await read();
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new UsageError(`${path} cannot be read: ${REASONS[code] ?? message}`);
  }
};

/** Keys as text, or a file that holds them. */
const textOf = async (argument: string): Promise<string> =>
  argument.includes('+') ? argument : readable(argument, () => readFile(argument, 'utf8'));

const parsed = <T>(what: string, parse: () => T): T => {
  try {
    return parse();
  } catch (error) {
    if (error instanceof Refused) throw new UsageError(`${what}: ${error.message}`);
    throw error;
  }
};

const logKeysOf = async (argument: string): Promise<readonly LogKey[]> => {
  const text = await textOf(argument);
  return parsed('--key', () => parseLogKeys(text));
};

const witnessKeyOf = async (argument: string): Promise<Verifier> => {
  const text = (await textOf(argument)).trim();
  return parsed('--witness', () => parseWitnessKey(text));
};

/** The checkpoints in a folder, by their names. */
const anchorsIn = async (folder: string): Promise<readonly KeptNote[]> => {
  const names = (await readable(folder, () => readdir(folder, { recursive: true })))
    .filter((name) => name.endsWith('.checkpoint'))
    .sort();
  if (names.length === 0) throw new UsageError(`${folder} holds no file that ends with .checkpoint`);
  return Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      return { name: path, note: await readable(path, () => readFile(path, 'utf8')) };
    }),
  );
};

const keptIn = async (path: string): Promise<KeptNote> => {
  const note = await readable(path, () => readFile(path, 'utf8'));
  parsed(`--since: ${path} is no checkpoint`, () => parseNote(note));
  return { note };
};

const program = new URL(import.meta.url);
const open = (path: string): Promise<ReturnType<typeof fileSource>> =>
  readable(path, () => {
    if (!statSync(path).isFile()) throw new Error('it is no file');
    return fileSource(path, program);
  });

/** @returns the exit code */
const main = async (): Promise<number> => {
  let parsedArguments;
  try {
    const option = { type: 'string', multiple: true } as const;
    const options = {
      key: option,
      since: option,
      anchors: option,
      witness: option,
      before: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    } as const;
    parsedArguments = parseArgs({ allowPositionals: true, options });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { values, positionals } = parsedArguments;
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const [path, ...others] = positionals;
  if (path === undefined || others.length > 0) throw new UsageError('one bundle is needed');
  if (!values.key) throw new UsageError('--key is needed: a bundle cannot vouch for itself');
  const kept = [
    await Promise.all((values.since ?? []).map(keptIn)),
    ...(await Promise.all((values.anchors ?? []).map(anchorsIn))),
  ];
  const options = {
    logKeys: (await Promise.all(values.key.map(logKeysOf))).flat(),
    witnessKeys: await Promise.all((values.witness ?? []).map(witnessKeyOf)),
    earlier: kept.flat(),
  };
  const bundle = await open(path);
  const before = values.before === undefined ? undefined : await open(values.before);
  const verdict = await verifyBundle(bundle, options).catch((error: unknown) => {
    throw error instanceof RangeError ? new UsageError(`${path} is no bundle: ${error.message}`) : error;
  });
  const problems = before ? await nameFields(verdict.problems, before) : verdict.problems;
  process.stdout.write(`${report(path, { ...verdict, problems })}\n`);
  return verdict.problemCount > 0 ? 1 : 0;
};

const run = async (): Promise<void> => {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`kontor-verify: ${error.message}\n\n${USAGE}\n`);
    process.exitCode = 2;
  }
};

/** A thread of {@link fileSource}: reads the pieces that it is given. */
const serve = (): void => {
  const { path, options } = workerData as SegmentTask;
  const file = openSync(path, 'r');
  parentPort?.on('message', (piece: Piece | undefined) => {
    if (piece) parentPort?.postMessage(readSegment(file, piece, options));
  });
};

if (isMainThread) await run();
else serve();
