// A process that appends and writes down what it does. Started again after kill -9 it sends everything that its history leaves
// open once more, with the same ids, and goes on. It says one line per answer, so that its parent can count.
import { existsSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createEventStore } from '@kontor/event-store';
import { prng } from '@kontor/testing';
import { type Command, send, Workload } from './client.js';
import { HistoryFile, readHistory } from './history.js';

export interface WriterOptions {
  readonly url: string;
  readonly history: string;
  readonly proc: string;
  readonly seed: number;
  /** Commands that shall have an answer in the end. */
  readonly commands: number;
  readonly inFlight: number;
  /** How many streams all writers share. */
  readonly streams: number;
  /** Whether expected versions and guards are sent. */
  readonly isExact?: boolean;
  /** Whether each command is sent twice at once, over two sessions. */
  readonly isTwice?: boolean;
  /** At most so many per second; without it as many as are answered. */
  readonly commandsPerS?: number;
  readonly appendDeadlineMs?: number;
  /** What the clock of this process is wrong by. */
  readonly skewMs?: number;
}

const options = JSON.parse(process.argv[2] ?? '') as WriterOptions;
const {
  url,
  history: path,
  proc,
  seed,
  commands,
  inFlight,
  streams,
  isExact,
  isTwice,
  commandsPerS,
  skewMs = 0,
} = options;
const { now } = Date;
Date.now = () => now() + skewMs;

const past = existsSync(path) ? readHistory(path) : [];
const sent = new Map<string, Command>();
for (const { op, cmd, writes, guards } of past) {
  if (op === 'invoke' && writes) sent.set(cmd, { cmd, writes, guards: guards ?? [] });
}
const answered = new Set(past.filter(({ op }) => op === 'ok' || op === 'fail').map(({ cmd }) => cmd));
const open = [...sent.values()].filter(({ cmd }) => !answered.has(cmd));
let toMake = commands - sent.size;

const names = Array.from({ length: streams }, (_, index) => `default/registry/run/${index}`);
const workload = new Workload(prng(seed + past.length), names, isExact ?? false);
const settings = { upcasters: {}, appendDeadlineMs: options.appendDeadlineMs ?? 60_000 };
const lanes = Array.from({ length: isTwice ? 2 : 1 }, (_, lane) => ({
  store: createEventStore({ connectionString: url }, settings),
  history: new HistoryFile(path, isTwice ? `${proc}/${lane}` : proc),
}));

const data = { text: 'Grüße 模型 🙂', big: 12345678901234567890n.toString() };
const answerOf = async (command: Command): Promise<void> => {
  for (let isOpen = true; isOpen;) {
    const results = await Promise.all(lanes.map(({ store, history }) => send(store, history, command, data)));
    const known = results.filter((result) => result !== undefined);
    isOpen = known.length === 0;
    for (const result of known) workload.learn(command, result);
  }
  writeSync(1, '.\n');
};
/** When the next command may go; what was missed is not made up for. */
let turnMs = performance.now();
const myTurn = async (): Promise<void> => {
  if (commandsPerS === undefined) return;
  turnMs = Math.max(turnMs + 1_000 / commandsPerS, performance.now());
  await delay(turnMs - performance.now());
};
const caller = async (): Promise<void> => {
  for (;;) {
    await myTurn();
    const command = open.shift() ?? (toMake-- > 0 ? workload.next() : undefined);
    if (command === undefined) return;
    await answerOf(command);
  }
};
await Promise.all(Array.from({ length: inFlight }, caller));
for (const { store, history } of lanes) {
  await store.close();
  history.close();
}
