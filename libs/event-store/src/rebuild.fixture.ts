import type { DomainEvent, Projection } from '@kontor/event-sourcing';
import { createPool } from './event-store.js';
import type { ReadModel } from './read-model.js';
import { rebuildReadModel } from './rebuild-read-model.js';

export type LevelSet = DomainEvent<'Set', { value: number }>;

export interface Level {
  readonly value: number;
  readonly label: string;
  readonly changes: number;
}

/** One row per stream that counts its changes. */
export const levels: ReadModel & { readonly projection: Projection<Level, LevelSet> } = {
  projection: {
    name: 'levels',
    version: 1,
    canHandle: ['Set'],
    keys: ({ streamId }) => [streamId],
    evolve: (row, { data: { value } }) => ({ value, label: `level "${value}"`, changes: (row?.changes ?? 0) + 1 }),
  },
  columns: { value: 'integer', label: 'text' },
  indexes: [['workspace', 'label', 'key']],
};

// As a program: rebuilds, and ends as kill -9 does when a stage begins. Arguments: url, schema, stage.
const [url, schema, stage] = process.argv.slice(2);
if (import.meta.main && url !== undefined && schema !== undefined) {
  const pool = createPool({ connectionString: url });
  await rebuildReadModel(
    {
      pool,
      schema,
      upcasters: {},
      onProgress: (progress) => {
        if (progress.stage === stage) process.kill(process.pid, 'SIGKILL');
      },
    },
    levels,
  );
  await pool.end();
}
