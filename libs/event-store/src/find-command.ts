import type { Accepted } from '@kontor/event-sourcing';
import type pg from 'pg';
import { instantSql } from './rows.js';

interface CommandRow {
  readonly request_hash: Buffer;
  readonly first_pos: string;
  readonly last_pos: string;
  readonly versions: readonly string[];
  readonly recorded_at: string;
}

/** The answer that an accepted command got, with the hash of its content; undefined if it was never accepted. */
export const findCommand = async (
  pool: pg.Pool,
  commandId: string,
): Promise<(Accepted & { readonly requestHash: Uint8Array }) | undefined> => {
  const { rows } = await pool.query<CommandRow>({
    name: 'es_find_command',
    text: `SELECT request_hash, first_pos, last_pos, versions, ${instantSql('recorded_at')} AS recorded_at
           FROM es.command WHERE command_id = $1`,
    values: [commandId],
  });
  const [row] = rows;
  return (
    row && {
      requestHash: row.request_hash,
      firstPosition: BigInt(row.first_pos),
      lastPosition: BigInt(row.last_pos),
      versions: row.versions.map(BigInt),
      recordedAt: row.recorded_at,
    }
  );
};
