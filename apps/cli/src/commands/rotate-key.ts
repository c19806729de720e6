import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readSeal } from '@kontor/event-store';
import { ensureKeyPair, LOG_KEY, NEXT_LOG_KEY } from '@kontor/service/process';
import { formatLogKey, openCheckpoint, parseLogKeys, Refused } from '@kontor/transparency-log';
import type pg from 'pg';
import { keyInUse, listedKeys, nextKey, writeListedKeys } from '../log-keys.js';
import { print } from '../print.js';
import { CommandFailed } from '../usage-error.js';

/** `kontor rotate-key`: makes the next key of the log. Doing it again changes nothing. */
export const beginRotation = async (keysDir: string, firstOrigin: string): Promise<void> => {
  const { origin } = keyInUse(await listedKeys(keysDir, firstOrigin));
  await ensureKeyPair(keysDir, NEXT_LOG_KEY);
  print(`next key: ${(await nextKey(keysDir, origin)) ?? ''}`);
  print('1. hand it to whoever verifies or co-signs the log: "kontor checkpoint --key" prints the whole list');
  print('2. restart the platform: from then on each checkpoint is signed with both keys');
  print('3. kontor rotate-key --finish');
};

/** Whether the key itself has signed, in a list of its own. */
const isSignedBy = (note: string, key: string): boolean => {
  try {
    openCheckpoint(note, parseLogKeys(key));
    return true;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
};

/** Whether two verifier keys are one under any two origins: a new epoch goes on with the key of the one before. */
const isOfOneKey = (line: string, key: string): boolean => {
  const bytesOf = (text: string): string => text.split(' ')[0]?.split('+').slice(2).join('+') ?? '';
  return bytesOf(line) === bytesOf(key);
};

const retired = (line: string, size: number): string => {
  const [{ from, until } = { from: 0, until: size }] = parseLogKeys(line);
  return formatLogKey(line.split(' ')[0] ?? '', { from, until: Math.min(until, size) });
};

/**
 * `kontor rotate-key --finish`: retires the key before, of earlier epochs too. It counts up to the newest checkpoint, and its private half is
 * removed. An interrupted finish is finished by doing it again.
 *
 * @throws CommandFailed if no rotation was begun, or the newest checkpoint does not carry both signatures
 */
export const finishRotation = async (pool: pg.Pool, keysDir: string, firstOrigin: string): Promise<void> => {
  const lines = await listedKeys(keysDir, firstOrigin);
  const { key, origin } = keyInUse(lines);
  const next = await nextKey(keysDir, origin);
  if (next === undefined) throw new CommandFailed('no next key was made: begin with "kontor rotate-key"');
  if (key !== next) {
    const seal = await readSeal(pool);
    if (!seal || !isSignedBy(seal.note, next) || !isSignedBy(seal.note, key)) {
      throw new CommandFailed(
        `the newest checkpoint, of ${seal?.size ?? 0} events, is not signed with both keys yet: restart the platform, and let something be appended`,
      );
    }
    await writeListedKeys(keysDir, [
      ...lines.map((line) => (isOfOneKey(line, key) ? retired(line, seal.size) : line)),
      formatLogKey(next, { from: seal.size + 1, until: Infinity }),
    ]);
  }
  // The list comes first: if the process dies here, doing it again goes on below.
  await rename(join(keysDir, `${NEXT_LOG_KEY}.pem`), join(keysDir, `${LOG_KEY}.pem`));
  await ensureKeyPair(keysDir, LOG_KEY);
  await rm(join(keysDir, `${NEXT_LOG_KEY}.pub.pem`));
  print('the key before is retired, and its private half is gone. The keys from now on, for verifiers and witnesses:');
  print((await listedKeys(keysDir, firstOrigin)).join('\n'));
  print('running services sign with both until they are restarted; the line of the retired key no longer counts');
};
