import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

// Who may import whom (docs/ARCHITECTURE.md). Tags stand in each package.json under nx.tags.
const rule = (from, to, packages) => ({
  sourceTag: `type:${from}`,
  onlyDependOnLibsWithTags: to.map((type) => `type:${type}`),
  ...(packages && { allowedExternalImports: [...packages, 'vitest', 'fast-check', 'node:*'] }),
});
const depConstraints = [
  rule('kernel', [], ['zod']),
  rule('domain', ['kernel', 'test'], ['zod', '@bufbuild/cel', '@bufbuild/cel/*']),
  rule('adapter', ['kernel', 'test']),
  rule('glue', ['kernel', 'adapter', 'test']),
  rule('app', ['kernel', 'domain', 'adapter', 'glue', 'test']),
  // What others install: nothing of the server comes with it.
  rule('client', [], ['@nats-io/transport-node']),
  rule('test', ['kernel', 'adapter']),
  { sourceTag: 'type:tool', onlyDependOnLibsWithTags: ['*'] },
];

const contexts = ['registry', 'deployment', 'monitoring', 'governance'];
const testing = {
  group: ['@kontor/testing'],
  message: 'Only specs, fixtures, tests/ and tools/ import @kontor/testing.',
};
const otherContext = (own) => ({
  regex: `^(?:\\.\\./)+(?!${own}/)(?:${contexts.join('|')})/(?!events\\.js$)`,
  message: 'Another context is reached through its events.ts only.',
});
// Two no-restricted-imports entries for one file would overwrite each other, so each is built whole.
const restrict = (files, patterns) => ({
  files,
  ignores: ['**/*.spec.ts', '**/*fixture.ts', 'tests/**', 'tools/**'],
  rules: { 'no-restricted-imports': ['error', { patterns }] },
});
const offline = {
  regex: '^@kontor/(?!transparency-log$)',
  message: 'Verifier and witness trust no code of the server: they import @kontor/transparency-log and nothing else.',
};
const globals = (...names) => Object.fromEntries(names.map((name) => [name, 'readonly']));

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      '**/.venv/**',
      '**/generated/**',
      '**/assets/**',
      '.kontor/**',
      '.nx/**',
    ],
  },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts', '**/*.tsx'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': ['error', { depConstraints }],
      // A promise that nobody awaits is an error that nobody sees.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-console': 'error',
    },
  },
  // Programs that talk to a person on a terminal; and specs, which print their seed so that a failure can be repeated.
  { files: ['apps/cli/**', 'tools/**', 'tests/**', '**/*.mjs', '**/*.spec.ts'], rules: { 'no-console': 'off' } },
  // Plain JavaScript, outside every tsconfig: what runs before anything is compiled, and the page in the browser.
  {
    files: ['**/*.mjs'],
    languageOptions: { globals: globals('process', 'console', 'URL', 'setTimeout') },
  },
  {
    files: ['apps/gateway/src/explorer/*.js'],
    languageOptions: { globals: globals('document', 'location', 'URL') },
  },
  restrict(['libs/**/*.ts', 'apps/**/*.ts'], [testing]),
  restrict(['apps/verifier/**/*.ts', 'apps/witness/**/*.ts'], [testing, offline]),
  ...contexts.map((own) => restrict([`libs/domain/src/${own}/**/*.ts`], [testing, otherContext(own)])),
);
