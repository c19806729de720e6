import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type DossierOf, Dossiers } from '@kontor/domain/dossier';
import {
  exportCheckpoint,
  exportLog,
  exportRange,
  exportStreams,
  isCosigned,
  readHead,
  readRawPage,
  readSeal,
  type Seal,
  unknownStreams,
} from '@kontor/event-store';
import { parseCheckpoint, parseNote, type Verifier } from '@kontor/transparency-log';
import type pg from 'pg';
import { publicKeys } from '../log-keys.js';
import { nearNames } from '../near-names.js';
import { print } from '../print.js';
import { CommandFailed } from '../usage-error.js';

/** A checkpoint follows an event within a second. */
const SEAL_TIMEOUT_MS = 10_000;
const SEAL_POLL_MS = 100;
/** Few enough to hold in memory, whatever they carry. */
const PAGE_EVENTS = 2_000;

/** What the codes of the file system mean for whoever named the file. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not',
  EEXIST: 'it exists',
  EISDIR: 'it is a directory',
  ENOENT: 'it does not exist',
};
const reasonOf = ({ code = '', message }: NodeJS.ErrnoException): string => REASONS[code] ?? message;

const cannotWrite = (path: string, error: NodeJS.ErrnoException): CommandFailed =>
  new CommandFailed(
    `${path} cannot be written: ${error.code === 'ENOENT' ? 'its folder does not exist' : reasonOf(error)}`,
  );

/** For what must not be found out after something that cannot be undone. @throws CommandFailed if no new file can be made there */
export const requirePlaceFor = async (path: string): Promise<void> => {
  try {
    await (await open(path, 'wx')).close();
    await rm(path);
  } catch (error) {
    throw cannotWrite(path, error as NodeJS.ErrnoException);
  }
};

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

/** What of the log is wanted; nothing chosen: all of it. */
export interface Selection {
  readonly streams: readonly string[];
  /** A model, an endpoint or a use case, with all that belongs to it. */
  readonly dossier?: { readonly of: DossierOf; readonly name: string; readonly workspace: string } | undefined;
  /** First and last position. */
  readonly range?: readonly [number, number] | undefined;
  /** Only the checkpoint, with what shows that the log begins with earlier ones. */
  readonly isWithoutEvents: boolean;
  /** Files with checkpoints that were kept. */
  readonly since: readonly string[];
}

/**
 * `kontor export <file>`: writes a bundle of the log, or of what was chosen, up to a checkpoint of now.
 *
 * @throws CommandFailed if nothing is what was chosen, or the file exists or cannot be written: evidence is never overwritten
 */
export const exportBundle = async (
  pool: pg.Pool,
  options: { path: string; selection: Selection; keysDir: string; witness: Verifier | undefined },
): Promise<void> => {
  const { path, selection, keysDir, witness } = options;
  const unknown = await unknownStreams(pool, selection.streams);
  if (unknown.length > 0) throw new CommandFailed(`--stream: the log has no stream ${unknown.join(', ')}`);
  const since = await Promise.all(selection.since.map(sizeOfKept));
  const seal = await sealOfNow(pool, witness);
  const isShown = process.stderr.isTTY;
  const progress = (position: number): void => {
    if (isShown) process.stderr.write(`\r${position} of ${seal.size} events`);
  };
  const chosen = await linesOf(pool, seal, { selection, since, progress });
  const file = createWriteStream(path, { flags: 'wx' });
  await once(file, 'open').catch((error: NodeJS.ErrnoException) => {
    throw cannotWrite(path, error);
  });
  let lines = 0;
  for await (const line of chosen) {
    lines++;
    if (!file.write(`${line}\n`)) await once(file, 'drain');
  }
  file.end();
  await finished(file);
  if (isShown) process.stderr.write('\r\u001b[K');
  const { origin } = parseCheckpoint(parseNote(seal.note).text);
  print(`${path}: ${lines} line${lines === 1 ? '' : 's'}, up to position ${seal.size}`);
  const keys = (await publicKeys(keysDir, origin)).trimEnd();
  const shown = keys.includes('\n') ? '<a file with what "kontor checkpoint --key" prints>' : keys;
  print(`check it anywhere: npx kontor-verify ${path} --key ${shown}`);
};

/** The lines of the bundle that is wanted. */
const linesOf = async (
  pool: pg.Pool,
  seal: Seal,
  { selection, since, progress }: { selection: Selection; since: readonly number[]; progress: (at: number) => void },
): Promise<AsyncIterable<string>> => {
  const { streams, dossier, range, isWithoutEvents } = selection;
  if (isWithoutEvents) return exportCheckpoint(pool, seal, since);
  if (range) {
    const [first, last] = range;
    if (last > seal.size) throw new CommandFailed(`--positions: the log ends at position ${seal.size}`);
    return exportRange(pool, seal, { first, last, since });
  }
  if (dossier) {
    const belonging = await streamsOf(pool, seal, dossier, progress);
    return exportStreams(pool, seal, { streams: belonging, about: `${dossier.of} ${dossier.name}`, since });
  }
  return streams.length > 0 ? exportStreams(pool, seal, { streams, since }) : exportLog(pool, seal, progress);
};

/** Reads the log once for what belongs to a dossier. @throws CommandFailed for a name that is not there, with near ones */
const streamsOf = async (
  pool: pg.Pool,
  { size }: Seal,
  { of, name, workspace }: NonNullable<Selection['dossier']>,
  progress: (position: number) => void,
): Promise<readonly string[]> => {
  const dossiers = new Dossiers(workspace);
  for (let after = 0; after < size;) {
    const page = await readRawPage(pool, { after: BigInt(after), limit: Math.min(PAGE_EVENTS, size - after) });
    for (const { streamId, data } of page) dossiers.add({ streamId, data: JSON.parse(data) as unknown });
    after += PAGE_EVENTS;
    progress(Math.min(after, size));
  }
  const streams = dossiers.streams(of, name);
  if (streams.length > 0) return streams;
  const near = nearNames(name, dossiers.names(of));
  const hint = near.length > 0 ? `; near are ${near.join(', ')}` : `; the workspace ${workspace} has none like it`;
  throw new CommandFailed(`--${of}: the log has no ${of.replace('-', ' ')} "${name}"${hint}`);
};

/** The size of a checkpoint in a file. Whether it was signed is the verifier's question. */
const sizeOfKept = async (path: string): Promise<number> => {
  try {
    return parseCheckpoint(parseNote(await readFile(path, 'utf8')).text).size;
  } catch (error) {
    throw new CommandFailed(`--since: ${path} is no checkpoint: ${reasonOf(error as Error)}`);
  }
};
