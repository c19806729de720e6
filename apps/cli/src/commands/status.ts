import { isAlive, lockHolder } from '@kontor/embedded';
import { isTransient, type LogAlarm, readLogAlarms } from '@kontor/event-store';
import type { CliConfig } from '../config.js';
import { print } from '../print.js';
import { readRunFile, type RunFile } from '../supervisor/run-file.js';
import { type Lag, readLag } from './lag.js';
import { readerUrl, withLog } from './log-database.js';

/** Readiness of the doors; a busy platform answers well within it. */
const HEALTH_TIMEOUT_MS = 2_000;

const isReady = async (gateway: string): Promise<boolean> => {
  try {
    const response = await fetch(new URL('/health/ready', gateway), { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // not reachable is the answer, not an error
  }
};

type StatusConfig = Pick<CliConfig, 'dataDir' | 'keysDir'>;

/** What `kontor status` knows. */
interface Status {
  readonly state: 'up' | 'starting' | 'degraded' | 'down';
  readonly dataDir: string;
  readonly pid?: number;
  readonly startedAt?: string;
  readonly components: readonly { readonly name: string; readonly pid: number; readonly state: 'running' | 'gone' }[];
  readonly addresses: Readonly<Record<string, string>>;
  /** What somebody must see to before appends stop. */
  readonly alarms: readonly LogAlarm[];
  /** Who reads the log, and how far behind its head; absent if the database does not answer. */
  readonly lag?: readonly Lag[];
}

const lagOf = async (config: StatusConfig, run: RunFile): Promise<readonly Lag[] | undefined> => {
  try {
    return await readLag(config, run);
  } catch (error) {
    if (!isTransient(error)) throw error;
    return undefined; // not reachable is the answer, not an error
  }
};

const look = async (config: StatusConfig): Promise<Status> => {
  const { dataDir } = config;
  const holder = await lockHolder(dataDir);
  const none = { dataDir, components: [], addresses: {}, alarms: [] };
  if (!holder) return { state: 'down', ...none };
  const run = await readRunFile(dataDir);
  if (!run) return { state: 'starting', pid: holder.pid, ...none };
  const components = run.components.map(({ name, pid }) => ({
    name,
    pid,
    state: isAlive(pid) ? ('running' as const) : ('gone' as const),
  }));
  const isComplete = components.every(({ state }) => state === 'running') && (await isReady(run.addresses.gateway));
  // A gateway that is ready reads the log, so the log can be asked; where it is not, that is the trouble.
  const alarms = isComplete
    ? await withLog(await readerUrl(config, run), (pool) => readLogAlarms(pool, Date.now()))
    : [];
  const { pid, startedAt, addresses } = run;
  const state = isComplete && alarms.length === 0 ? 'up' : 'degraded';
  const lag = await lagOf(config, run);
  return { state, dataDir, pid, startedAt, components, addresses, alarms, ...(lag && { lag }) };
};

/** `kontor status`: what runs on a data directory. @returns the exit code: 0 only if all of it is up, without an alarm */
export const status = async (config: StatusConfig, options: { json: boolean }): Promise<number> => {
  const found = await look(config);
  if (options.json) print(JSON.stringify(found, null, 2));
  else {
    const since = found.startedAt === undefined ? '' : ` since ${found.startedAt}`;
    const who = found.pid === undefined ? '' : ` (process ${found.pid}${since})`;
    print(`${found.state} on ${found.dataDir}${who}`);
    for (const { name, pid, state } of found.components) print(`  ${name.padEnd(12)} ${state.padEnd(8)} ${pid}`);
    for (const [name, address] of Object.entries(found.addresses)) print(`  ${name.padEnd(12)} ${address}`);
    for (const { reader, position, behind } of found.lag ?? [])
      print(`  ${reader.padEnd(12)} position ${position}, ${behind} behind`);
    for (const { code, message } of found.alarms) print(`  ${code}: ${message}`);
  }
  return found.state === 'up' ? 0 : 1;
};
