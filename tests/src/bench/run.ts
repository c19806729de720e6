import { parseArgs } from 'node:util';
import { appendScenario } from './append.js';
import { servingScenario } from './serving.js';
import { type BenchReport, type BenchRow, printReport, writeRows } from './report.js';

/** Every bench by name. A new one is one file and one line here. */
const SCENARIOS: Readonly<Record<string, () => Promise<BenchReport>>> = {
  append: appendScenario,
  serving: servingScenario,
};

/**
 * `npm run bench -- <name>… [--json FILE]`; without a name, all of them.
 *
 * Timing never fails a bench, a wrong result does.
 */
const main = async (): Promise<void> => {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
  const names = positionals.length > 0 ? positionals : Object.keys(SCENARIOS);
  const unknown = names.find((name) => !Object.hasOwn(SCENARIOS, name));
  if (unknown !== undefined) {
    throw new Error(`unknown bench "${unknown}", allowed: ${Object.keys(SCENARIOS).join(', ')}`);
  }
  const rows: BenchRow[] = [];
  for (const name of names) {
    const report = await SCENARIOS[name]?.();
    if (report === undefined) continue;
    printReport(report);
    rows.push(...report.rows);
    if (report.checks.some(({ holds }) => !holds)) process.exitCode = 1;
  }
  if (values.json !== undefined) writeRows(values.json, rows);
};

await main();
