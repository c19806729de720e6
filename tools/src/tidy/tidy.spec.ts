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

  it.each([
    ['import-cycles', { 'libs/a/src/a.ts': "import './b.js';", 'libs/a/src/b.ts': "import './a.js';" }],
    ['one-entry', { 'libs/a/src/deep/index.ts': 'export const a = 1;' }],
    ['one-entry', { 'libs/a/src/index.ts': "export * from './a.js';" }],
    ['pages', { 'docs/a.md': '# One\n\n# Two\n' }],
    ['pages', { 'docs/ARCHITECTURE.md': '# Map\n\nSee `libs/nowhere.ts`.\n' }],
    ['pure-libraries', { 'libs/domain/src/a.ts': 'export const now = () => Date.now();' }],
    ['pure-libraries', { 'libs/statistics/src/a.ts': "import { readFileSync } from 'node:fs';" }],
    [
      'rejections-have-specs',
      { 'libs/domain/src/registry/rejections.ts': "export const rejections = {\n  LOST: 'x',\n};" },
    ],
    ['settings-in-config', { 'apps/a/src/main.ts': 'export const port = process.env.PORT;' }],
    ['specs-exist', { 'apps/gateway/src/a.projection.ts': 'export const evolve = () => 1;' }],
    ['unfinished', { 'apps/a/src/a.ts': '// TODO later' }],
    ['unfinished', { 'apps/a/src/a.ts': 'try { f(); } catch {}' }],
  ])('%s names the file that breaks it', (rule, texts) => {
    expect(findings(texts)).toContain(`${rule} ${Object.keys(texts)[0]}`);
  });
});
