import { listCheckpoints, readHead, readRelayed } from '@kontor/event-store';
import type { CliConfig } from '../config.js';
import type { RunFile } from '../supervisor/run-file.js';
import { readerUrl, roleUrl, withLog } from './log-database.js';

/** Each keeps its checkpoints in a schema of its own. */
const CONSUMERS = ['registry', 'deployment', 'monitoring', 'governance', 'gateway'] as const;

/** A reader of the log: where it is, and how many events it has not taken in. */
export interface Lag {
  readonly reader: string;
  readonly position: string;
  readonly behind: string;
}

/**
 * How far everybody who reads the log has come: the relay, the reactions of each service and the gateway's read models (the
 * slowest of them). A reader that stays behind while nothing is appended has stopped; readiness says why.
 *
 * @throws the driver's error if PostgreSQL does not answer
 */
export const readLag = async (config: Pick<CliConfig, 'keysDir'>, run: RunFile): Promise<readonly Lag[]> => {
  const reached = await Promise.all([
    withLog(await readerUrl(config, run), async (pool) => [await readRelayed(pool), await readHead(pool)] as const),
    ...CONSUMERS.map(async (schema) =>
      withLog(await roleUrl(config, run, `kontor_${schema}`), async (pool) => {
        const positions = (await listCheckpoints(pool, schema)).map(({ position }) => position);
        const slowest = positions.reduce(
          (least, position) => (position < least ? position : least),
          positions[0] ?? 0n,
        );
        return [slowest, await readHead(pool)] as const;
      }),
    ),
  ]);
  // Each position is read before the head it is compared with: nobody is ahead of the log.
  return ['relay', ...CONSUMERS].map((reader, n) => {
    const [position = 0n, head = 0n] = reached[n] ?? [];
    return { reader, position: `${position}`, behind: `${head - position}` };
  });
};
