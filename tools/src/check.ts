import { ESLint } from 'eslint';
import { join } from 'node:path';
import { areEventSchemasCurrent, areReleasedSchemasKept } from './event-schemas.js';
import { run, step, type StepResult } from './step.js';
import { readSourceTree, repositoryRoot } from './tidy/source-tree.js';
import { tidy } from './tidy/tidy.js';

const root = repositoryRoot();
const bin = (name: string) => join(root, 'node_modules', '.bin', name);
// Without a daemon nothing of Nx outlives the check.
const nxEnv = { NX_DAEMON: 'false', NX_TUI: 'false' };

/** One import for each direction that is forbidden. If one of them passes, the whole lint step proves nothing. */
const WRONG_IMPORTS: readonly (readonly [file: string, specifier: string])[] = [
  ['libs/event-sourcing/src/index.ts', '@kontor/event-store'],
  ['libs/domain/src/registry/index.ts', '@kontor/event-store'],
  ['libs/domain/src/registry/index.ts', 'pg'],
  ['libs/domain/src/registry/index.ts', '../governance/policy.js'],
  ['libs/event-store/src/index.ts', '@kontor/domain/registry'],
  ['libs/messaging/src/index.ts', '@kontor/event-store'],
  ['libs/service/src/index.ts', '@kontor/domain/registry'],
  ['libs/subscriber/src/index.ts', '@kontor/messaging'],
  ['apps/registry/src/main.ts', '@kontor/gateway/src/config.js'],
  ['apps/registry/src/main.ts', '@kontor/testing'],
  ['apps/verifier/src/main.ts', '@kontor/event-store'],
  ['apps/witness/src/main.ts', '@kontor/event-store'],
];
const BOUNDARY_RULES = ['@nx/enforce-module-boundaries', 'no-restricted-imports'];

const refusesWrongImports = async (): Promise<boolean> => {
  const eslint = new ESLint({ cwd: root });
  let refusesAll = true;
  for (const [file, specifier] of WRONG_IMPORTS) {
    const text = `import { a } from '${specifier}';\nexport const b = a;\n`;
    const [result] = await eslint.lintText(text, { filePath: join(root, file) });
    if (result?.messages.some(({ ruleId }) => ruleId !== null && BOUNDARY_RULES.includes(ruleId))) continue;
    console.error(`the module boundaries let ${file} import ${specifier}`);
    refusesAll = false;
  }
  return refusesAll;
};

const lint = async (): Promise<boolean> => {
  const eslint = new ESLint({ cwd: root });
  const results = await eslint.lintFiles(['libs', 'apps', 'tests', 'tools']);
  const formatter = await eslint.loadFormatter('stylish');
  const report = await formatter.format(results);
  if (report) console.error(report);
  return results.every(({ errorCount, warningCount }) => errorCount + warningCount === 0);
};

const isTidy = async (): Promise<boolean> => {
  const findings = tidy(readSourceTree(root));
  for (const { rule, path, message } of findings) console.error(`${rule}: ${path} ${message}`);
  return findings.length === 0;
};

/** Everything that needs no server: types, structure, generated files, lint, format. */
export const check = async (): Promise<readonly StepResult[]> => [
  await step('types', async () => (await run(bin('tsc'), ['-b'], root)) === 0),
  await step('tidy', isTidy),
  await step('event schemas', () => areEventSchemasCurrent(root)),
  await step('released event schemas', () => areReleasedSchemasKept(root)),
  // The Nx rule passes silently without a project graph, so the graph comes first.
  await step('project graph', async () => (await run(bin('nx'), ['show', 'projects', '--json'], root, nxEnv)) === 0),
  await step('boundaries refuse a wrong import', refusesWrongImports),
  // The two that take long run side by side.
  ...(await Promise.all([
    step('lint', lint),
    step('format', async () => (await run(bin('prettier'), ['--check', '--log-level=warn', '.'], root)) === 0),
  ])),
];

if (import.meta.main) {
  Object.assign(process.env, nxEnv);
  const results = await check();
  process.exitCode = results.some(({ failed }) => failed > 0) ? 1 : 0;
}
