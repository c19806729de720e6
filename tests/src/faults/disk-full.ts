import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventStore } from '@kontor/event-store';
import { type Command, send, Workload } from './client.js';
import { HistoryFile } from './history.js';
import { openServers, report, type Scenario, Skipped, Stage } from './stage.js';

/** A cluster takes 60 MB before its first event, and the log of changes as much again. */
const SMALL = 'size=160m';
const LARGE = 'size=700m';
/** Random text, so that nothing is saved by compressing it. */
const DATA_BYTES = 48 * 1024;
const IN_FLIGHT = 8;
/** So many unknown outcomes mean a full disk and not a slow one. */
const UNKNOWN = IN_FLIGHT;

const mount = (...args: readonly string[]): string | undefined => {
  const { status, stderr, error } = spawnSync('mount', args, { encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
};

/** Files on a small tmpfs of its own. Whether the data or the log of changes (a PANIC) is full first, PostgreSQL decides. */
export const fullDisk: Scenario = {
  name: 'T4',
  title: 'disk full',
  run: async (stage) => {
    const root = mkdtempSync(join(tmpdir(), 'kontor-disk-'));
    stage.defer(async () => rmdirSync(root));
    const problem = mount('-t', 'tmpfs', '-o', SMALL, 'tmpfs', root);
    if (problem !== undefined) throw new Skipped(`a tmpfs of its own needs root: ${problem}`);
    stage.defer(async () => {
      const { stderr, status } = spawnSync('umount', [root], { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
    });
    const data = join(root, 'data');
    await mkdir(data);
    const servers = await openServers(data);
    stage.defer(() => servers.close());
    const inner = new Stage(servers, stage.seed, stage.isShort);
    stage.defer(() => inner.close());
    const log = await inner.log();
    const path = stage.path('w1');
    const history = new HistoryFile(path, 'w1');
    const settings = { upcasters: {}, appendDeadlineMs: 1_500 };
    const store = createEventStore({ connectionString: log.urlFor('kontor_registry') }, settings);
    inner.defer(() => store.close());
    const names = Array.from({ length: 20 }, (_, index) => `default/registry/run/${index}`);
    const workload = new Workload(stage.chance, names, false);
    const content = () => ({ text: randomBytes((DATA_BYTES * 3) / 4).toString('base64') });

    const open: Command[] = [];
    const untilFull = async (): Promise<void> => {
      while (open.length < UNKNOWN) {
        const command = workload.next();
        if ((await send(store, history, command, content())) === undefined) open.push(command);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, untilFull));
    const enlarged = mount('-o', `remount,${LARGE}`, root);
    if (enlarged !== undefined) throw new Error(enlarged);
    await servers.killPostgres(); // also where a PANIC has ended it already: it must recover from what is there
    const unknown = open.length;
    for (const command of open) {
      while ((await send(store, history, command, content())) === undefined);
    }
    for (let more = 0; more < 50; more += 1) await send(store, history, workload.next(), content());
    history.close();
    return report(`full, ${unknown} outcomes unknown until it was enlarged`, await inner.verdict(log, [path]));
  },
};
