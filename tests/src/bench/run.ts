import { parseArgs } from 'node:util';
import { appendBench } from './append.js';
import { growthBench } from './growth.js';
import { mlflowBench } from './mlflow.js';
import { projectionBench } from './projections.js';
import { relayBench } from './relay.js';
import { servingScenario } from './serving.js';
import { type BenchReport, type BenchRow, printReport, writeRows } from './report.js';
import { verifyBench } from './verify.js';

/** Every bench by name; each needs nothing of another. A new one is one file and one line here. */
const BENCHES: Readonly<Record<string, () => Promise<BenchReport>>> = {
  append: appendBench,
  projections: projectionBench,
  relay: relayBench,
  verify: verifyBench,
  // Generates logs of up to 20 M events, which takes 20 GB and a quarter of an hour: runs only where it is asked for.
  growth: growthBench,
  serving: servingScenario,
  // Installs MLflow into an environment of its own the first time.
  mlflow: mlflowBench,
};

/** Names for several. */
const GROUPS: Readonly<Record<string, readonly string[]>> = { log: ['append', 'projections', 'relay', 'verify'] };

const DEFAULT = ['log', 'serving'];

const ALLOWED = [...Object.keys(GROUPS), ...Object.keys(BENCHES)];

const USAGE = `usage: npm run bench [-- <name>... --json <file>]

Measures, and checks that what was measured is right.
  <name>         of ${ALLOWED.join(', ')}; default: ${DEFAULT.join(', ')}
  --json <file>  where the rows go as well`;

const refuse = (message: string): void => {
  console.error(`kontor: ${message}`);
  process.exitCode = 2;
};

/**
 * `npm run bench -- <name>… [--json FILE]`; without a name, the log and serving.
 *
 * Timing never fails a bench, a wrong result does.
 */
const main = async (): Promise<void> => {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    return refuse(`${(error as Error).message}\n\n${USAGE}`);
  }
  const { positionals, values } = parsed;
  if (values.help) return console.log(USAGE);
  const names = (positionals.length > 0 ? positionals : DEFAULT).flatMap((name) => GROUPS[name] ?? [name]);
  const unknown = names.find((name) => !Object.hasOwn(BENCHES, name));
  if (unknown !== undefined) {
    return refuse(`unknown bench "${unknown}", allowed: ${ALLOWED.join(', ')}`);
  }
  const rows: BenchRow[] = [];
  for (const name of names) {
    const report = await BENCHES[name]?.();
    if (report === undefined) continue;
    printReport(report);
    rows.push(...report.rows);
    if (report.checks.some(({ holds }) => !holds)) process.exitCode = 1;
  }
  if (values.json !== undefined) writeRows(values.json, rows);
};

await main();
