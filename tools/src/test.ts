import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
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
  readonly testResults: readonly {
    readonly name: string;
    /** Of a file that could not be run. */
    readonly message: string;
    readonly status: 'passed' | 'failed';
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

interface VitestResult extends StepResult {
  /** What failed, one line each: file, test, first line of the reason. */
  readonly failures: readonly string[];
}

const failuresOf = ({ testResults }: VitestReport): readonly string[] =>
  testResults
    .filter(({ status }) => status === 'failed')
    .flatMap(({ name, message, assertionResults }) => {
      const file = relative(root, name);
      const failed = assertionResults.filter(({ status }) => status === 'failed');
      return failed.length === 0
        ? [`${file}: ${firstLine(message)}`]
        : failed.map(({ fullName, failureMessages }) => `${file}: ${fullName}: ${firstLine(failureMessages?.[0])}`);
    });

const firstLine = (text = ''): string => text.split('\n', 1)[0] ?? '';

/** Runs one Vitest project. A run that fails without a failed test (a broken file, no test at all) counts as one failure. */
const vitest = async (project: string, reports: string): Promise<VitestResult> => {
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
    failures: failuresOf(counts),
  };
};

/** Everything, from the cheapest to the dearest, and all of it even if something fails on the way. */
const main = async (): Promise<void> => {
  const reports = mkdtempSync(join(tmpdir(), 'kontor-test-'));
  Object.assign(process.env, { NX_DAEMON: 'false', NX_TUI: 'false' });
  const results: (StepResult | VitestResult)[] = [...(await check())];
  for (const project of ['spec', 'int', 'e2e']) results.push(await vitest(project, reports));
  rmSync(reports, { recursive: true });

  const sum = (field: 'passed' | 'failed' | 'skipped') => results.reduce((total, result) => total + result[field], 0);
  const skipped = sum('skipped');
  // Last, so that whoever sees only the end of the output knows what to look at.
  for (const result of results.filter(({ failed }) => failed > 0)) {
    const failures = 'failures' in result && result.failures.length > 0 ? result.failures : ['it did not end well'];
    for (const failure of failures) console.log(`failed: ${result.name}: ${failure}`);
  }
  console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = sum('failed') > 0 ? 1 : 0;
};

await main();
