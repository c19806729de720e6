import { describe, expect, it } from 'vitest';
import { sourceTree } from './source-tree.js';
import { tidy } from './tidy.js';

const findings = (texts: Readonly<Record<string, string>>) =>
  tidy(sourceTree(texts)).map(({ rule, path }) => `${rule} ${path}`);

describe('tidy', () => {
  it('is content with a pure decider that has a spec', () => {
    expect(
      findings({
        'libs/domain/src/registry/run.ts':
          "import { reject } from '@kontor/event-sourcing';\nexport const a = reject('X');",
        'libs/domain/src/registry/index.ts': "export { a } from './run.js';",
        'libs/domain/src/registry/commands.ts':
          'export const commands = {\n  StartRun: z.object({\n    Id: id,\n  }),\n};',
        'libs/domain/src/registry/run.spec.ts': "given([]).when(command('StartRun', { Id: '1' }));",
        'README.md': '# Kontor\n\n```sh\n# a comment\n```\n',
      }),
    ).toEqual([]);
  });

  it('counts fixtures as test code, and asks for no spec of what handles nothing', () => {
    expect(
      findings({
        'libs/domain/src/registry/run.fixture.ts': 'export const now = () => Date.now();',
        'libs/domain/src/monitoring/fixture.ts': 'export const now = () => Date.now();',
        'libs/domain/src/registry/reactions.ts': 'export const none = { canHandle: [], react: () => [] };',
      }),
    ).toEqual([]);
  });

  it('follows a source to a standard, to a file of this repository and to a file of another one', () => {
    expect(
      findings({
        'libs/a/src/a.ts':
          '/** @source RFC 8785 */\n/** @source libs/a/src/b.sql */\n/** @source PostgreSQL 18, utils/pidfile.h */',
        'libs/a/src/b.sql': '',
      }),
    ).toEqual([]);
  });

  it.each([
    [
      'commands-have-specs',
      {
        'libs/domain/src/registry/commands.ts': 'export const commands = {\n  StartRun: schema,\n  EndRun: schema,\n};',
        'libs/domain/src/registry/run.spec.ts': "given([]).when(command('StartRun', data));",
        'libs/domain/src/registry/fixture.ts': "export const end = command('EndRun', data);",
        'libs/domain/src/deployment/endpoint.spec.ts': "given([]).when(command('EndRun', data));",
      },
    ],
    ['declared-packages', { 'libs/a/package.json': '{"dependencies":{"pg":"8"}}' }],
    ['declared-packages', { 'libs/a/package.json': '{}', 'libs/a/src/a.ts': "import pg from 'pg';" }],
    ['import-cycles', { 'libs/a/src/a.ts': "import './b.js';", 'libs/a/src/b.ts': "import './a.js';" }],
    ['one-entry', { 'libs/a/src/deep/index.ts': 'export const a = 1;' }],
    ['one-entry', { 'libs/a/src/index.ts': "export * from './a.js';" }],
    ['pages', { 'docs/a.md': '# One\n\n# Two\n' }],
    ['pages', { 'docs/ARCHITECTURE.md': '# Map\n\nSee `libs/nowhere.ts`.\n' }],
    ['pages', { 'apps/a/README.md': '# A\n\n`src/gone/` and `src/a.ts`.\n', 'apps/a/src/a.ts': '' }],
    ['pure-libraries', { 'libs/domain/src/a.ts': 'export const now = () => Date.now();' }],
    ['pure-libraries', { 'libs/statistics/src/a.ts': "import { readFileSync } from 'node:fs';" }],
    ['pure-libraries', { 'libs/domain/src/a.ts': "import { hash } from 'node:crypto';" }],
    ['pure-libraries', { 'libs/transparency-log/src/a.ts': "import { readFileSync } from 'node:fs';" }],
    [
      'rejections',
      {
        'libs/domain/src/registry/rejections.ts': "export const rejections = {\n  UNSHOWN: 'x',\n};",
        'libs/domain/src/registry/run.ts': "export const a = reject('UNSHOWN');",
      },
    ],
    [
      'rejections',
      {
        'libs/domain/src/registry/rejections.ts': "export const rejections = {\n  DEAD: 'x',\n};",
        'libs/domain/src/registry/run.spec.ts': "expect(code).toBe('DEAD');",
        'libs/domain/src/registry/run.fixture.ts': "export const a = reject('DEAD');",
      },
    ],
    ['settings-in-config', { 'apps/a/src/main.ts': 'export const port = process.env.PORT;' }],
    ['sources-can-be-followed', { 'libs/a/src/a.ts': '/** @source serving reference, section 4.6 */' }],
    ['sources-can-be-followed', { 'libs/a/src/a.ts': '/** @source docs/explanation */', 'docs/other/a.md': '# A' }],
    ['sources-can-be-followed', { 'libs/a/src/a.ts': '/** @source ./b.ts */' }],
    ['specs-exist', { 'apps/gateway/src/a.projection.ts': 'export const evolve = () => 1;' }],
    ['unfinished', { 'apps/a/src/a.ts': '// TODO later' }],
    ['unfinished', { 'apps/a/src/a.ts': 'try { f(); } catch {}' }],
  ])('%s names the file that breaks it', (rule, texts) => {
    expect(findings(texts)).toContain(`${rule} ${Object.keys(texts)[0]}`);
  });
});
