import { parseArgs } from 'node:util';
import { powerLoss } from './power-loss.js';
import { play, SCENARIOS } from './scenarios.js';
import { soak } from './soak.js';
import { SPECS } from './specs.js';
import { openServers, Skipped } from './stage.js';

/** @source the list of fault tests: T26 runs for 2 hours */
const MINUTES = 120;

const numberOf = ({ name }: { readonly name: string }): number => Number(name.slice(1));
/** What runs when nothing is asked for. */
const BOUNDED = [...SCENARIOS, ...SPECS].toSorted((a, b) => numberOf(a) - numberOf(b));

const USAGE = `usage: npm run faults [-- <test>... --seed <n> --minutes <n> --kernel <dir> --without-sync]

Breaks the servers and processes on purpose, and has an independent checker look for what was lost, doubled or torn.
  <test>         of ${BOUNDED.map(({ name }) => name).join(', ')}; default: all of these
  T26            the soak: everything is killed in turn, and nothing may grow
  T27            power loss: PostgreSQL and NATS in a guest below qemu, which is killed
  --seed <n>     repeats the chances of an earlier run
  --minutes <n>  how long T26 writes, 2 to 1440, default: ${MINUTES}
  --kernel <dir> below it is the guest's kernel for T27, as boot/vmlinuz-* and lib/modules; default: /
  --without-sync T27 with fsync = off in the guest: it must fail`;

const seconds = (since: number): string => `${((performance.now() - since) / 1_000).toFixed(0)} s`;

/** @returns the exit code: 0 what could be tried holds, 1 something does not or nothing could be tried, 2 wrong arguments */
const main = async (): Promise<number> => {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        seed: { type: 'string' },
        minutes: { type: 'string' },
        kernel: { type: 'string' },
        'without-sync': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
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
  const minutes = Number(values.minutes ?? MINUTES);
  const known = [...BOUNDED, soak(minutes), powerLoss(values.kernel ?? '/', !values['without-sync'])];
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
  if ((values.kernel !== undefined || values['without-sync']) && !positionals.includes('T27')) {
    console.error('kontor: --kernel and --without-sync are of the guest of T27, so they need T27');
    return 2;
  }
  if (values.seed !== undefined && !/^\d{1,9}$/.test(values.seed)) {
    console.error(`kontor: --seed must be a whole number of at most 9 digits, not "${values.seed}"`);
    return 2;
  }
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  console.log(`seed ${seed} (--seed ${seed} repeats its chances)`);
  const chosen = positionals.length === 0 ? BOUNDED : known.filter(({ name }) => positionals.includes(name));
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
  return failed.length > 0 || held === 0 ? 1 : 0;
};

process.exitCode = await main();
