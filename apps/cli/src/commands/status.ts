import { isAlive, lockHolder } from '@kontor/embedded';
import { print } from '../print.js';
import { readRunFile } from '../supervisor/run-file.js';

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

/** What `kontor status` knows. */
interface Status {
  readonly state: 'up' | 'starting' | 'degraded' | 'down';
  readonly dataDir: string;
  readonly pid?: number;
  readonly startedAt?: string;
  readonly components: readonly { readonly name: string; readonly pid: number; readonly state: 'running' | 'gone' }[];
  readonly addresses: Readonly<Record<string, string>>;
}

const look = async (dataDir: string): Promise<Status> => {
  const holder = await lockHolder(dataDir);
  if (!holder) return { state: 'down', dataDir, components: [], addresses: {} };
  const run = await readRunFile(dataDir);
  if (!run) return { state: 'starting', dataDir, pid: holder.pid, components: [], addresses: {} };
  const components = run.components.map(({ name, pid }) => ({
    name,
    pid,
    state: isAlive(pid) ? ('running' as const) : ('gone' as const),
  }));
  const isComplete = components.every(({ state }) => state === 'running') && (await isReady(run.addresses.gateway));
  const { pid, startedAt, addresses } = run;
  return { state: isComplete ? 'up' : 'degraded', dataDir, pid, startedAt, components, addresses };
};

/** `kontor status`: what runs on a data directory. @returns the exit code: 0 only if all of it is up */
export const status = async (dataDir: string, options: { json: boolean }): Promise<number> => {
  const found = await look(dataDir);
  if (options.json) print(JSON.stringify(found, null, 2));
  else {
    const since = found.startedAt === undefined ? '' : ` since ${found.startedAt}`;
    const who = found.pid === undefined ? '' : ` (process ${found.pid}${since})`;
    print(`${found.state} on ${dataDir}${who}`);
    for (const { name, pid, state } of found.components) print(`  ${name.padEnd(12)} ${state.padEnd(8)} ${pid}`);
    for (const [name, address] of Object.entries(found.addresses)) print(`  ${name.padEnd(12)} ${address}`);
  }
  return found.state === 'up' ? 0 : 1;
};
