import { contexts } from '@kontor/domain/contexts';
import { FAILED_SEEDS } from './failed-seeds.js';
import { type Run, simulate } from './simulate.js';

const SEEDS = 1_000;
const MAX_SEED = 2 ** 31 - 1; // what the generator of chance takes
const TAIL = 60; // lines of a trace that fit on a screen
const PROGRESS = 100;

const USAGE = `npm run sim                the seeds that ever failed, then 1 to ${SEEDS}
npm run sim -- 4711        one seed, with the end of its trace
npm run sim -- 5001-6000   a range of seeds
A seed is a whole number from 0 to ${MAX_SEED}.`;

/** The seeds that the arguments ask for; undefined if they cannot be understood. */
const parseSeeds = ([text, ...rest]: readonly string[]): readonly number[] | undefined => {
  if (text === undefined) return [...new Set([...FAILED_SEEDS, ...Array.from({ length: SEEDS }, (_, i) => i + 1)])];
  const [, first, last = first] = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (rest.length > 0 || first === undefined || from > to || to > MAX_SEED) return undefined;
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
};

const number = (value: number): string => value.toLocaleString('en');

/** Adds up what runs did; the runs themselves are forgotten. */
class Totals {
  readonly failed: number[] = [];
  readonly #counts = new Map<string, number>();
  readonly #events = new Set<string>();
  readonly #commands = new Set<string>();

  add({ seed, violations, counts, history }: Run): void {
    if (violations.length > 0) this.failed.push(seed);
    const { sent, answered, events } = history;
    const all = { commands: sent.length, answers: answered.length, events: events.length, ...counts };
    for (const [what, count] of Object.entries(all)) this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
    for (const { type } of events) this.#events.add(type);
    for (const { request, reply } of answered)
      if (reply.outcome === 'accepted' && reply.eventIds.length > 0) this.#commands.add(request.type);
  }

  printCounts(): void {
    console.log([...this.#counts].map(([what, count]) => `${number(count)} ${what}`).join(', '));
  }

  printCoverage(): void {
    const missing = (kind: 'events' | 'commands', reached: ReadonlySet<string>): string => {
      const types = contexts.flatMap((context) => Object.keys(context[kind]));
      const never = types.filter((type) => !reached.has(type));
      return `${types.length - never.length} of ${types.length}${never.length > 0 ? `, never: ${never.join(', ')}` : ''}`;
    };
    console.log(`event types reached: ${missing('events', this.#events)}`);
    console.log(`command types that brought something about: ${missing('commands', this.#commands)}`);
  }
}

const printFailure = ({ seed, violations }: Run): void => {
  console.log(`seed ${seed} fails; repeat it with: npm run sim -- ${seed}`);
  for (const violation of violations) console.log(`  ${violation}`);
};

/**
 * Runs seeds, one after the other, and prints what they reached and which ones failed.
 *
 * @returns the exit code: 0 if all is well, 1 if a seed failed, 2 for an argument that cannot be understood.
 */
const main = async (args: readonly string[]): Promise<number> => {
  const seeds = parseSeeds(args);
  if (seeds === undefined) {
    console.error(`cannot take ${JSON.stringify(args.join(' '))} as seeds\n${USAGE}`);
    return 2;
  }
  const beganMs = performance.now();
  const totals = new Totals();
  for (const [i, seed] of seeds.entries()) {
    const run = await simulate(seed);
    totals.add(run);
    if (seeds.length === 1) console.log(`${run.trace.slice(-TAIL).join('\n')}\ntrace and log: ${run.digest}`);
    if (run.violations.length > 0) printFailure(run);
    const rate = (1000 * (i + 1)) / (performance.now() - beganMs);
    if ((i + 1) % PROGRESS === 0)
      console.log(`${number(i + 1)} of ${number(seeds.length)} seeds, ${rate.toFixed(1)} a second`);
  }
  totals.printCounts();
  if (seeds.length > 1) totals.printCoverage();
  const { failed } = totals;
  if (failed.length === 0) {
    console.log(seeds.length === 1 ? 'the seed holds' : `${number(seeds.length)} seeds hold`);
    return 0;
  }
  console.log(`${failed.length} of ${number(seeds.length)} seeds fail: ${failed.join(' ')}`);
  console.log('Once mended, a seed that failed goes into tests/src/sim/failed-seeds.ts and stays there.');
  return 1;
};

process.exitCode = await main(process.argv.slice(2));
