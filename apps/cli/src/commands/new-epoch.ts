import { lockDataDirectory } from '@kontor/embedded';
import { beginEpoch, prepareDatabase } from '@kontor/event-store';
import { connectNats, deleteEventsStream } from '@kontor/messaging';
import { loadLogKeys, LOG_KEY } from '@kontor/service/process';
import { logSigner } from '@kontor/transparency-log';
import type { CliConfig } from '../config.js';
import { listedKeys, writeListedKeys } from '../log-keys.js';
import { print } from '../print.js';
import { rolePasswords } from '../supervisor/database-roles.js';
import { databaseIn } from '../supervisor/platform.js';
import { openNats, openPostgres } from '../supervisor/servers.js';
import type { Supervised } from '../supervisor/supervise.js';
import { usableKey } from '../usable-key.js';

/**
 * `kontor new-epoch`: after a backup was restored that is older than a checkpoint which others hold. The log goes on under
 * another origin, tied to the old one by a note that both sign; the broker's copy is removed, since it holds lost events.
 *
 * @throws CommandFailed, DataDirectoryInUse if the platform runs
 */
export const newEpoch = async (config: CliConfig): Promise<void> => {
  const lock = await lockDataDirectory(config.dataDir);
  const started: Supervised[] = [];
  const events = { say: print, changed: () => undefined, gaveUp: () => undefined };
  try {
    const [key] = await usableKey(`${config.keysDir}/${LOG_KEY}.pem`, loadLogKeys(config.keysDir));
    const postgres = await openPostgres(config, events);
    if (postgres.process) started.push(postgres.process);
    const nats = await openNats(config, events, new AbortController().signal);
    if (nats.process) started.push(nats.process);
    const [database, passwords] = [databaseIn(postgres.url), await rolePasswords(config.keysDir)];
    await prepareDatabase({ adminUrl: postgres.url, database, passwords, origin: config.logOrigin });
    const adminUrl = new URL(postgres.url);
    adminUrl.pathname = `/${encodeURIComponent(database)}`;
    const begun = await beginEpoch(adminUrl.href, (origin) => logSigner(origin, key));
    const lines = await listedKeys(config.keysDir, config.logOrigin);
    await writeListedKeys(config.keysDir, [...lines, logSigner(begun.origin, key).verifierKey]);
    const connection = await connectNats(nats.url, 'kontor-new-epoch');
    try {
      await deleteEventsStream(connection);
    } finally {
      await connection.close();
    }
    print(`epoch ${begun.epoch} begins at position ${begun.firstPosition} as ${begun.origin}`);
    print(`its last checkpoint in common with the epoch before has ${begun.commonSize} events`);
    print('hand the new list of keys to whoever verifies or co-signs the log: kontor checkpoint --key');
  } finally {
    for (const one of started.reverse()) await one.stop();
    await lock.release();
  }
};
