import { resolve } from 'node:path';
import {
  type ArchiveProgress,
  archivePartition,
  dropArchived,
  type LogArchive,
  partitionsBefore,
} from '@kontor/event-store';
import { openProgress } from '@kontor/service/process';
import type pg from 'pg';
import { print } from '../print.js';
import { UsageError } from '../usage-error.js';
import { govern, type Governance } from './govern.js';

export interface ArchiveCommand {
  /** One partition by its number, or all whose newest event is older than a time. */
  readonly partition?: number | undefined;
  readonly before?: string | undefined;
  readonly to: readonly string[];
  readonly hotWindowDays: number;
  readonly drop: boolean;
  readonly actor?: string | undefined;
}

const DAY_MS = 86_400_000;

const summary = ({ firstPosition, lastPosition, manifestDigest }: LogArchive): string =>
  `positions ${firstPosition} to ${lastPosition}, manifest ${manifestDigest}`;

/**
 * `kontor archive`: writes partitions of the log to directories, reads them back and detaches them; with `drop`, removes the
 * tables of some that were archived. Both are recorded as events of governance.
 *
 * @param pool of the owner of the log
 * @throws UsageError, ArchiveRefused, ArchiveDamaged, ArchiveMissing
 */
export const archive = async (pool: pg.Pool, governance: Governance, options: ArchiveCommand): Promise<void> => {
  const { partition, before, to, hotWindowDays, drop, actor } = options;
  if ((partition === undefined) === (before === undefined))
    throw new UsageError('name one partition by its number, or --before a time, and not both');
  if (drop && (to.length > 0 || partition === undefined))
    throw new UsageError('--drop takes the number of a partition that is archived, and neither --to nor --before');
  if (!drop && to.length === 0)
    throw new UsageError('--to: name a directory for the archive; repeat it for a second one');
  const progress = openProgress();
  const onProgress = ({ step, place, position, firstPosition, lastPosition }: ArchiveProgress): void => {
    const countTo = (last: number): bigint => BigInt(last - firstPosition + 1);
    progress.show(`${step} ${place}`, countTo(position), countTo(lastPosition));
  };
  if (drop) {
    const dropped = await dropArchived({
      pool,
      partition: partition ?? 0,
      onProgress,
      record: ({ firstPosition, lastPosition }) =>
        govern(governance, {
          type: 'RecordArchivedLogDropped',
          data: { firstPosition: String(firstPosition), lastPosition: String(lastPosition) },
          actor,
        }),
    });
    progress.end();
    print(`dropped ${summary(dropped)}`);
    return;
  }
  const partitions = partition === undefined ? await partitionsBefore(pool, before ?? '') : [partition];
  for (const number of partitions) {
    const archived = await archivePartition({
      pool,
      partition: number,
      places: to.map((place) => resolve(place)),
      hotWindowMs: hotWindowDays * DAY_MS,
      onProgress,
      record: ({ firstPosition, lastPosition, ...rest }) =>
        govern(governance, {
          type: 'RecordLogArchived',
          data: { ...rest, firstPosition: String(firstPosition), lastPosition: String(lastPosition) },
          actor,
        }),
    });
    progress.end();
    print(`archived partition ${number}: ${summary(archived)}`);
  }
  if (partitions.length === 0) print(`no full partition has only events from before ${before ?? ''}`);
};
