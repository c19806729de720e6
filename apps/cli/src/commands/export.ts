import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import {
  exportLog,
  exportStreams,
  isCosigned,
  readHead,
  readSeal,
  type Seal,
  unknownStreams,
} from '@kontor/event-store';
import { loadPublicKey, LOG_KEY } from '@kontor/service/process';
import { parseCheckpoint, parseNote, type Verifier, verifierKey } from '@kontor/transparency-log';
import type pg from 'pg';
import { print } from '../print.js';
import { usableKey } from '../usable-key.js';
import { CommandFailed } from '../usage-error.js';

/** A checkpoint follows an event within a second. */
const SEAL_TIMEOUT_MS = 10_000;
const SEAL_POLL_MS = 100;

/** The checkpoint that covers everything appended so far. @throws CommandFailed if it is not signed, and co-signed, in time */
const sealOfNow = async (pool: pg.Pool, witness: Verifier | undefined): Promise<Seal> => {
  const head = await readHead(pool);
  if (head === 0n) throw new CommandFailed('the log is empty: there is nothing to sign yet');
  for (const deadline = performance.now() + SEAL_TIMEOUT_MS; ;) {
    const seal = await readSeal(pool);
    const isSealed = seal !== undefined && BigInt(seal.size) >= head;
    if (isSealed && (witness === undefined || isCosigned(seal, witness))) return seal;
    if (performance.now() > deadline && isSealed)
      throw new CommandFailed(
        `the checkpoint of ${seal.size} events is not co-signed by ${witness?.name ?? ''}; "kontor status" tells whether the witness was reached`,
      );
    if (performance.now() > deadline)
      throw new CommandFailed(
        `position ${head} is not sealed: the newest checkpoint covers ${seal?.size ?? 0} events; "kontor status" tells whether all services run`,
      );
    await delay(SEAL_POLL_MS);
  }
};

/** `kontor checkpoint`: prints the newest signed checkpoint, for somebody to keep. */
export const checkpoint = async (pool: pg.Pool, witness: Verifier | undefined): Promise<void> => {
  process.stdout.write((await sealOfNow(pool, witness)).note);
};

/** The log's public key in the form that the verifier reads. @throws CommandFailed if there is none yet */
export const publicKey = async (keysDir: string, origin: string): Promise<string> =>
  verifierKey(origin, await usableKey(join(keysDir, `${LOG_KEY}.pub.pem`), loadPublicKey(keysDir, LOG_KEY)));

/**
 * `kontor export <file>`: writes a bundle of the whole log, or of some streams, up to a checkpoint of now.
 *
 * @throws CommandFailed if the file exists or cannot be written: evidence is never overwritten
 */
export const exportBundle = async (
  pool: pg.Pool,
  options: { path: string; streams: readonly string[]; keysDir: string; witness: Verifier | undefined },
): Promise<void> => {
  const { path, streams, keysDir, witness } = options;
  const unknown = await unknownStreams(pool, streams);
  if (unknown.length > 0) throw new CommandFailed(`--stream: the log has no stream ${unknown.join(', ')}`);
  const seal = await sealOfNow(pool, witness);
  const file = createWriteStream(path, { flags: 'wx' });
  await once(file, 'open').catch((error: NodeJS.ErrnoException) => {
    throw new CommandFailed(`${path} cannot be written: ${error.code === 'EEXIST' ? 'it exists' : error.message}`);
  });
  const isShown = process.stderr.isTTY;
  const progress = (position: number): void => {
    if (isShown) process.stderr.write(`\r${position} of ${seal.size} events`);
  };
  let lines = 0;
  for await (const line of streams.length > 0 ? exportStreams(pool, seal, streams) : exportLog(pool, seal, progress)) {
    lines++;
    if (!file.write(`${line}\n`)) await once(file, 'drain');
  }
  file.end();
  await finished(file);
  if (isShown) process.stderr.write('\r\u001b[K');
  const { origin } = parseCheckpoint(parseNote(seal.note).text);
  print(`${path}: ${lines} lines, up to position ${seal.size}`);
  print(`check it anywhere: npx kontor-verify ${path} --key ${await publicKey(keysDir, origin)}`);
};
