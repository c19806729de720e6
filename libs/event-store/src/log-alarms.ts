import type pg from 'pg';
import { findDamagedManifests } from './archive/cold-reader.js';

/** A quarter of a partition: writers make the next one when the current one is half full, so something has kept them from it. */
const POSITIONS_LEFT = 4_194_304n;
/** Writers look once a day and make a month ahead, so there are four weeks left at any time; fewer than three is a fault. */
const COMMAND_DAYS_LEFT = 21;
const DAY_MS = 86_400_000;

/** Something about the log that somebody must see to, before appends stop or what is archived is lost. */
export interface LogAlarm {
  readonly code: 'EVENT_PARTITION_MISSING' | 'COMMAND_PARTITION_MISSING' | 'COMMANDS_ASTRAY' | 'ARCHIVE_DAMAGED';
  /** One sentence with what is left and what to do. */
  readonly message: string;
}

interface HeadroomRow {
  readonly positions_left: string;
  readonly commands_until: Date;
  readonly commands_astray: boolean;
}

const REMEDY = 'writers make it as they append: see what they log, or call es.prepare_partitions() as kontor_owner';

/**
 * What is wrong with the log; empty if appends can go on for weeks and every place of the archive holds what was recorded. Of an
 * archive its manifest alone is read: `kontor archive` reads all of it. Any reader of the log may ask, who sees the places.
 */
export const readLogAlarms = async (pool: pg.Pool, nowMs: number): Promise<readonly LogAlarm[]> => {
  const { rows } = await pool.query<HeadroomRow>(
    'SELECT positions_left, commands_until, commands_astray FROM es.headroom',
  );
  const [row] = rows;
  if (row === undefined) throw new TypeError('es.headroom gave no row: the database was not prepared');
  const { positions_left: left, commands_until: until } = row;
  const alarms: LogAlarm[] = [];
  if (BigInt(left) < POSITIONS_LEFT) {
    const message = `the next partition of es.event is missing; appends stop after ${left} more events; ${REMEDY}`;
    alarms.push({ code: 'EVENT_PARTITION_MISSING', message });
  }
  if (until.getTime() < nowMs + COMMAND_DAYS_LEFT * DAY_MS) {
    const message = `the partition of es.command for the month from ${until.toISOString()} is missing; ${REMEDY}`;
    alarms.push({ code: 'COMMAND_PARTITION_MISSING', message });
  }
  if (row.commands_astray) {
    const message = 'es.command_default holds commands: their month could not be forgotten; move them into a partition';
    alarms.push({ code: 'COMMANDS_ASTRAY', message });
  }
  for (const message of await findDamagedManifests(pool)) alarms.push({ code: 'ARCHIVE_DAMAGED', message });
  return alarms;
};
