import { createEventStore } from '@kontor/event-store';
import { send, Workload } from './client.js';
import { HistoryFile } from './history.js';
import type { Log, Stage } from './stage.js';

const STREAMS = Array.from({ length: 40 }, (_, index) => `default/registry/run/${index}`);
const IN_FLIGHT = 64;

/** Appends to a log while nothing goes wrong. @returns the file of the history */
export const fill = async (stage: Stage, log: Log, commands: number): Promise<string> => {
  const path = stage.path('w1');
  const history = new HistoryFile(path, 'w1');
  const store = createEventStore({ connectionString: log.urlFor('kontor_registry') }, { upcasters: {} });
  const workload = new Workload(stage.chance, STREAMS, false);
  let left = commands;
  const caller = async (): Promise<void> => {
    while (left-- > 0) await send(store, history, workload.next(), { text: 'Grüße 模型 🙂' });
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  await store.close();
  history.close();
  return path;
};

export const headOf = async (log: Log): Promise<number> => {
  const { rows } = await log.admin.query<{ head: number }>('SELECT last_pos::int AS head FROM es.log_head');
  return rows[0]?.head ?? 0;
};
