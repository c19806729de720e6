import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import swc from 'unplugin-swc';
import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

// Workspace packages are read from source, so a test never runs against a stale build. All others are read as Node reads them:
// it does not know `module`, behind which some keep what only a bundler can resolve.
const conditions = ['@kontor/source', ...defaultServerConditions.filter((condition) => condition !== 'module')];
const graphql = fileURLToPath(new URL('node_modules/graphql/index.js', import.meta.url));
const exclude = ['**/node_modules/**', '**/dist/**'];

// Nest needs decorator metadata, which Vite's own transformer (oxc) does not write.
export default defineConfig({
  plugins: [swc.vite({ module: { type: 'es6' }, jsc: { target: 'es2024' } })],
  oxc: false,
  // One copy of graphql: Vite would load its ESM build beside the CommonJS one that Apollo requires.
  resolve: { conditions, alias: [{ find: /^graphql$/, replacement: graphql }] },
  ssr: { resolve: { conditions } },
  test: {
    projects: [
      {
        test: {
          name: 'spec',
          include: ['{libs,apps,tools,tests}/**/*.spec.ts'],
          exclude: [...exclude, '**/*.int.spec.ts', '**/*.e2e.spec.ts'],
          // Specs hold no state between files, so that all share one module graph: 5 s for the set instead of 13 s.
          isolate: false,
          // Properties take a second of a quiet machine; on a busy one no clock fails them.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'int',
          include: ['{libs,apps,tests}/**/*.int.spec.ts'],
          exclude,
          globalSetup: ['libs/testing/src/global-setup.ts'],
          // Each file has a database and a nats-server of its own and mostly waits for them: on two cores, where Vitest takes one
          // worker, two need half of the time.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['{apps,tests}/**/*.e2e.spec.ts'],
          exclude,
          // A script of the MLflow client took 250 s while eight times the cores' work was waiting.
          testTimeout: 600_000,
          hookTimeout: 600_000,
          // Each file has a platform of its own, on free ports, and waits for it half of the time. A platform takes about a gigabyte,
          // so that more cores start no more of them.
          maxWorkers: 2,
        },
      },
    ],
  },
});
