import type pg from 'pg';

/** A legal hold that is placed. Its stream says who placed it, when and why. */
export interface LegalHold {
  readonly workspace: string;
  readonly holdId: string;
  readonly streamId: string;
}

/**
 * The legal holds of a workspace, or of all of them. Nothing that may be evidence is removed from a workspace that has one.
 *
 * Whoever asks with the head row locked (`SELECT FROM es.log_head FOR UPDATE`) knows that none is placed before they commit.
 */
export const holdsOn = async (pool: pg.Pool | pg.ClientBase, workspace?: string): Promise<readonly LegalHold[]> => {
  const { rows } = await pool.query<{ workspace: string; hold_id: string; stream_id: string }>(
    `SELECT workspace, hold_id, stream_id FROM es.legal_hold WHERE workspace = coalesce($1, workspace)
     ORDER BY workspace, hold_id`,
    [workspace ?? null],
  );
  return rows.map((row) => ({ workspace: row.workspace, holdId: row.hold_id, streamId: row.stream_id }));
};

/**
 * The ids of the legal holds of a workspace, as they stand until the transaction of the session ends: no append commits before.
 * To be asked last, right before the commit of what a hold forbids.
 */
export const stillHoldsOn = async (client: pg.ClientBase, workspace: string): Promise<readonly string[]> => {
  const { rows } = await client.query<{ hold_id: string }>('SELECT hold_id FROM es.still_holds($1) AS hold_id', [
    workspace,
  ]);
  return rows.map(({ hold_id }) => hold_id);
};
