import { parseArgs } from 'node:util';
import { play, SCENARIOS } from './scenarios.js';
import { soak } from './soak.js';
import { openServers, Skipped } from './stage.js';

/** Tests of the same list that this program does not run, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  T16: 'poison is a spec of the services: libs/service/src/reactions.int.spec.ts',
  T17: 'a read model is rebuilt while events come in libs/event-store/src/rebuild-read-model.int.spec.ts',
  T21: 'the tree is held against an independent implementation in libs/transparency-log/src/oracle.spec.ts',
  T22: 'a person is erased in tests/src/e2e/erase.e2e.spec.ts',
  T23: 'archiving is stopped at every step in libs/event-store/src/archive/archive.int.spec.ts',
  T27: 'power loss needs a disk that forgets what was not flushed (LazyFS, which needs FUSE) or a guest to switch off',
};

/** @source the list of fault tests: T26 runs for 2 hours */
const MINUTES = 120;

const USAGE = `usage: npm run faults [-- <test>... --seed <n> --minutes <n>]

Breaks the servers and processes on purpose, and has an independent checker look for what was lost, doubled or torn.
  <test>         of ${SCENARIOS.map(({ name }) => name).join(', ')}; default: all
  T26            the soak, which is not among all: everything is killed in turn, and nothing may grow
  --seed <n>     repeats the chances of an earlier run
  --minutes <n>  how long T26 writes, 2 to 1440, default: ${MINUTES}`;

const seconds = (since: number): string => `${((performance.now() - since) / 1_000).toFixed(0)} s`;

/** @returns the exit code: 0 all hold, 1 something does not, 2 wrong arguments */
const main = async (): Promise<number> => {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: { seed: { type: 'string' }, minutes: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    console.error(`kontor: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  const { positionals, values } = parsed;
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const elsewhere = positionals.find((name) => Object.hasOwn(ELSEWHERE, name));
  if (elsewhere !== undefined) {
    console.error(`kontor: ${elsewhere} is not here: ${ELSEWHERE[elsewhere]}`);
    return 2;
  }
  const minutes = Number(values.minutes ?? MINUTES);
  const known = [...SCENARIOS, soak(minutes)];
  const unknown = positionals.find((name) => !known.some((scenario) => scenario.name === name));
  if (unknown !== undefined) {
    console.error(`kontor: unknown fault test "${unknown}", allowed: ${known.map(({ name }) => name).join(', ')}`);
    return 2;
  }
  if (values.minutes !== undefined && !(/^\d{1,4}$/.test(values.minutes) && minutes >= 2 && minutes <= 1_440)) {
    console.error(`kontor: --minutes must be a whole number from 2 to 1440, not "${values.minutes}"`);
    return 2;
  }
  if (values.minutes !== undefined && !positionals.includes('T26')) {
    console.error('kontor: --minutes is how long T26 writes, so it needs T26');
    return 2;
  }
  if (values.seed !== undefined && !/^\d{1,9}$/.test(values.seed)) {
    console.error(`kontor: --seed must be a whole number of at most 9 digits, not "${values.seed}"`);
    return 2;
  }
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  console.log(`seed ${seed} (--seed ${seed} repeats its chances)`);
  const chosen = positionals.length === 0 ? SCENARIOS : known.filter(({ name }) => positionals.includes(name));
  const failed: string[] = [];
  const skipped: string[] = [];
  const started = performance.now();
  const servers = await openServers();
  try {
    for (const scenario of chosen) {
      const since = performance.now();
      const name = `${scenario.name} ${scenario.title}`;
      try {
        const { seen, violations } = await play(scenario, { servers, seed, isShort: false });
        console.log(`${violations.length === 0 ? 'ok  ' : 'FAIL'} ${name}: ${seen} (${seconds(since)})`);
        for (const violation of violations) console.log(`       ${violation}`);
        if (violations.length > 0) failed.push(scenario.name);
      } catch (error) {
        if (error instanceof Skipped) {
          console.log(`skip ${name}: ${error.message}`);
          skipped.push(scenario.name);
          continue;
        }
        console.log(`FAIL ${name} (${seconds(since)})`);
        console.log(error);
        failed.push(scenario.name);
      }
    }
  } finally {
    await servers.close();
  }
  const held = chosen.length - failed.length - skipped.length;
  const left = skipped.length > 0 ? `, ${skipped.length} skipped (${skipped.join(', ')})` : '';
  const broken = failed.length > 0 ? ` (${failed.join(', ')})` : '';
  console.log(`${held} held, ${failed.length} failed${broken}${left}; seed ${seed}; ${seconds(started)}`);
  return failed.length > 0 ? 1 : 0;
};

process.exitCode = await main();
