import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check } from './check.js';
import { run, type StepResult } from './step.js';
import { repositoryRoot } from './tidy/source-tree.js';

const root = repositoryRoot();

/** The fields of Vitest's JSON report that are read here. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly success: boolean;
}

/** Runs one Vitest project. A run that fails without a failed test (a broken file, no test at all) counts as one failure. */
const vitest = async (project: string, reports: string): Promise<StepResult> => {
  const report = join(reports, `${project}.json`);
  const exitCode = await run(
    join(root, 'node_modules', '.bin', 'vitest'),
    ['run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    root,
  );
  const counts = JSON.parse(readFileSync(report, 'utf8')) as VitestReport;
  return {
    name: project,
    passed: counts.numPassedTests,
    failed: exitCode === 0 ? counts.numFailedTests : Math.max(1, counts.numFailedTests),
    skipped: counts.numPendingTests + counts.numTodoTests,
  };
};

/** Everything, from the cheapest to the dearest, and all of it even if something fails on the way. */
const main = async (): Promise<void> => {
  const reports = mkdtempSync(join(tmpdir(), 'kontor-test-'));
  Object.assign(process.env, { NX_DAEMON: 'false', NX_TUI: 'false' });
  const results = [...(await check())];
  for (const project of ['spec', 'int', 'e2e']) results.push(await vitest(project, reports));
  rmSync(reports, { recursive: true });

  const sum = (field: 'passed' | 'failed' | 'skipped') => results.reduce((total, result) => total + result[field], 0);
  const skipped = sum('skipped');
  for (const { name, failed } of results) if (failed > 0) console.log(`failed: ${name}`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = sum('failed') > 0 ? 1 : 0;
};

await main();
