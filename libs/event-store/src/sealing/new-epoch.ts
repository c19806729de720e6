import { EMPTY_ROOT, formatEpochLink, formatNote, type Signer } from '@kontor/transparency-log';
import pg from 'pg';

/** An epoch that has begun. */
export interface NewEpoch {
  readonly epoch: number;
  readonly origin: string;
  readonly firstPosition: number;
  /** Of the last checkpoint that both epochs share. */
  readonly commonSize: number;
}

/**
 * Lets a log that was restored to before a published checkpoint go on, under another origin: what was signed beyond is
 * lost, and no new event can be taken for a lost one. The events that are there keep the origin of their epoch.
 *
 * No process may use the log meanwhile; each reads its origin when it starts.
 *
 * @param adminUrl the database, as a role that may act as kontor_owner
 * @param signerOf the signer of an origin: the old and the new one sign the note that ties them
 */
export const beginEpoch = async (adminUrl: string, signerOf: (origin: string) => Signer): Promise<NewEpoch> => {
  const admin = new pg.Client({ connectionString: adminUrl, application_name: 'kontor-new-epoch' });
  await admin.connect();
  try {
    await admin.query('BEGIN');
    await admin.query('SET LOCAL ROLE kontor_owner');
    const { rows: heads } = await admin.query<{ epoch: string; origin: string; first: string; last_pos: string }>(
      `SELECT h.epoch, h.origin, h.last_pos, e.origin AS first FROM es.log_head h
       JOIN es.log_epoch e ON e.log_id = h.log_id AND e.epoch = 1 WHERE h.log_id = 0 FOR UPDATE OF h`,
    );
    const [head] = heads;
    if (!head) throw new Error('the database holds no log: it was not prepared');
    const { rows: seals } = await admin.query<{ size: string; root: Buffer }>(
      'SELECT size, root FROM es.seal ORDER BY size DESC LIMIT 1',
    );
    const [seal] = seals;
    const common = { origin: head.origin, size: Number(seal?.size ?? 0), root: seal?.root ?? EMPTY_ROOT };
    const epoch = Number(head.epoch) + 1;
    const origin = `${head.first}/e${epoch}`;
    const firstPosition = Number(head.last_pos) + 1;
    const text = formatEpochLink({ common, origin, firstPosition });
    const link = formatNote(text, [signerOf(head.origin).sign(text), signerOf(origin).sign(text)]);
    await admin.query('INSERT INTO es.log_epoch VALUES (0, $1, $2, $3, $4)', [epoch, origin, firstPosition, link]);
    await admin.query('UPDATE es.log_head SET epoch = $1, origin = $2 WHERE log_id = 0', [epoch, origin]);
    await admin.query('COMMIT');
    return { epoch, origin, firstPosition, commonSize: common.size };
  } finally {
    await admin.end();
  }
};
