import { BEGINNING, type Position } from '@kontor/event-sourcing';
import pg from 'pg';
import { CheckpointLost } from './errors.js';
import { inTransaction } from './transaction.js';

/** A consumer of the log: a projection or the reactions of a service. A new version begins at position 0. */
export interface ConsumerId {
  readonly name: string;
  readonly version: number;
}

/** The right to move a checkpoint. Whoever claims it later gets a higher fence, and the older claim is refused. */
export interface CheckpointClaim extends ConsumerId {
  readonly schema: string;
  readonly owner: string;
  readonly fence: bigint;
  readonly position: Position;
  readonly leaseMs: number;
}

/** Long enough for a slow batch, short enough that another machine takes over soon. The same owner never waits. */
export const LEASE_MS = 10_000;

const table = (schema: string): string => `${pg.escapeIdentifier(schema)}.consumer`;

/** Creates the table of checkpoints in a schema that the pool's role owns. Idempotent. */
export const ensureCheckpoints = async (pool: pg.Pool | pg.ClientBase, schema: string): Promise<void> => {
  await pool.query(`
    CREATE TABLE IF NOT EXISTS ${table(schema)} (
      name text, version int, pos bigint NOT NULL DEFAULT 0, owner text, fence bigint NOT NULL DEFAULT 0,
      lease_until timestamptz, PRIMARY KEY (name, version))`);
};

/**
 * SQL of a function that moves the checkpoints of several claims in the statement of the effect, and announces on a channel
 * what all have reached. Idempotent. Fails, and the statement with it, unless every claim still holds and stands where its
 * owner believes.
 */
export const advanceFunctionSql = (schema: string): string => `
  CREATE OR REPLACE FUNCTION ${advanceFunction(schema)}(
    names text[], versions int[], fences bigint[], expected bigint[], lease_ms int[], upto bigint, channel text)
  RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE moved int; reached bigint;
  BEGIN
    UPDATE ${table(schema)} c SET pos = greatest(c.pos, upto), lease_until = clock_timestamp() + u.lease_ms * interval '1 ms'
    FROM unnest(names, versions, fences, expected, lease_ms) AS u(name, version, fence, pos, lease_ms)
    WHERE c.name = u.name AND c.version = u.version AND c.fence = u.fence AND c.pos = u.pos;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(names) THEN RAISE EXCEPTION 'a checkpoint was taken or moved by another' USING ERRCODE = '${CLAIM_MOVED}'; END IF;
    SELECT min(greatest(e, upto)) INTO reached FROM unnest(expected) AS e;
    PERFORM pg_notify(channel, reached::text);
    RETURN reached;
  END $$;`;

const advanceFunction = (schema: string): string => `${pg.escapeIdentifier(schema)}.advance_consumers`;

/** A SQLSTATE of our own. */
const CLAIM_MOVED = 'KF001';

/** A SELECT of the function of {@link advanceFunctionSql}, for {@link isClaimMoved} to be asked about its failure. */
export const advanceSql = (
  schema: string,
  claims: readonly CheckpointClaim[],
  upTo: Position,
  channel: string,
): { readonly sql: string; readonly values: readonly unknown[] } => ({
  sql: `SELECT ${advanceFunction(schema)}($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::int[], $6, $7) AS reached`,
  values: [
    ...idsOf(claims),
    claims.map(({ fence }) => fence),
    claims.map(({ position }) => position),
    claims.map(({ leaseMs }) => leaseMs),
    upTo,
    channel,
  ],
});

/** Whether a statement of {@link advanceSql} was refused because a claim holds no longer, or stands elsewhere than its owner believes. */
export const isClaimMoved = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && error.code === CLAIM_MOVED;

/** The claims as they stand now. @throws CheckpointLost if somebody claimed one after us */
export const refreshClaims = async (
  pool: pg.Pool,
  schema: string,
  claims: readonly CheckpointClaim[],
): Promise<readonly CheckpointClaim[]> =>
  await inTransaction(pool, async (client) => {
    const positions = await lockCheckpoints(client, schema, claims);
    return claims.map((claim, index) => ({ ...claim, position: positions[index] ?? claim.position }));
  });

/**
 * Claims a checkpoint for an owner: at once if nobody holds it, if the lease ran out, or if the owner held it before
 * (a restarted process must not wait for itself).
 *
 * @throws CheckpointLost if another owner holds it; it is free after `leaseMs` without a sign of life.
 */
export const claimCheckpoint = async (
  client: pg.Pool | pg.ClientBase,
  {
    schema,
    name,
    version,
    owner,
    leaseMs = LEASE_MS,
  }: ConsumerId & { schema: string; owner: string; leaseMs?: number },
): Promise<CheckpointClaim> => {
  await client.query(`INSERT INTO ${table(schema)} (name, version) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
    name,
    version,
  ]);
  const { rows } = await client.query<{ pos: string; fence: string }>(
    `UPDATE ${table(schema)} SET owner = $3, fence = fence + 1, lease_until = clock_timestamp() + $4 * interval '1 ms'
     WHERE name = $1 AND version = $2 AND (owner IS NULL OR owner = $3 OR lease_until < clock_timestamp())
     RETURNING pos, fence`,
    [name, version, owner, leaseMs],
  );
  const [row] = rows;
  if (row === undefined) throw new CheckpointLost(`${schema}.${name}`, undefined);
  return { schema, name, version, owner, leaseMs, fence: BigInt(row.fence), position: BigInt(row.pos) };
};

/**
 * Inside the transaction of the effect, before it: locks the checkpoint and gives the position that was reached.
 * Events at or below it were applied already.
 *
 * @throws CheckpointLost if somebody claimed it after us: roll back and stop.
 */
export const lockCheckpoint = async (client: pg.ClientBase, claim: CheckpointClaim): Promise<Position> => {
  const [position = BEGINNING] = await lockCheckpoints(client, claim.schema, [claim]);
  return position;
};

/** The same for several checkpoints of a schema at once. @returns their positions, in the order of the claims */
const lockCheckpoints = async (
  client: pg.ClientBase,
  schema: string,
  claims: readonly CheckpointClaim[],
): Promise<readonly Position[]> => {
  const { rows } = await client.query<{
    name: string;
    version: number;
    pos: string;
    fence: string;
    owner: string | null;
  }>(
    `SELECT name, version, pos, fence, owner FROM ${table(schema)} JOIN unnest($1::text[], $2::int[]) AS u(name, version)
     USING (name, version) ORDER BY name, version FOR UPDATE OF consumer`,
    idsOf(claims),
  );
  return claims.map(({ name, version, fence }) => {
    const row = rows.find((found) => found.name === name && found.version === version);
    if (row === undefined || BigInt(row.fence) !== fence) {
      throw new CheckpointLost(`${schema}.${name}`, row?.owner ?? undefined);
    }
    return BigInt(row.pos);
  });
};

/** Inside the transaction of the effect, after it: moves the checkpoint and extends the lease. */
export const advanceCheckpoint = async (
  client: pg.ClientBase,
  claim: CheckpointClaim,
  position: Position,
): Promise<void> => {
  await client.query(
    `UPDATE ${table(claim.schema)} SET pos = greatest(pos, $3), lease_until = clock_timestamp() + $4 * interval '1 ms'
     WHERE name = $1 AND version = $2`,
    [claim.name, claim.version, position, claim.leaseMs],
  );
};

const idsOf = (consumers: readonly ConsumerId[]): [string[], number[]] => [
  consumers.map(({ name }) => name),
  consumers.map(({ version }) => version),
];

/** A sign of life while there is nothing to apply. @throws CheckpointLost if somebody claimed it after us. */
export const renewCheckpoint = async (pool: pg.Pool, claim: CheckpointClaim): Promise<void> => {
  const { rowCount } = await pool.query(
    `UPDATE ${table(claim.schema)} SET lease_until = clock_timestamp() + $4 * interval '1 ms'
     WHERE name = $1 AND version = $2 AND fence = $3`,
    [claim.name, claim.version, claim.fence, claim.leaseMs],
  );
  if (rowCount === 0) throw new CheckpointLost(`${claim.schema}.${claim.name}`, undefined);
};

/** The positions that consumers have reached; 0 for one that never ran. */
export const readCheckpoints = async (
  pool: pg.Pool | pg.ClientBase,
  schema: string,
  consumers: readonly ConsumerId[],
): Promise<readonly Position[]> => {
  const { rows } = await pool.query<{ pos: string }>({
    name: `checkpoints_${schema}`,
    text: `SELECT coalesce(c.pos, 0) AS pos
           FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS u(name, version, ord) LEFT JOIN ${table(schema)} c USING (name, version)
           ORDER BY u.ord`,
    values: idsOf(consumers),
  });
  return rows.map(({ pos }) => BigInt(pos));
};

/**
 * Where every consumer of a schema is, in its newest version; empty if the schema has none. One that has given no sign of
 * life while the others did is none any more: a read model that was taken out of the program.
 */
export const listCheckpoints = async (
  pool: pg.Pool | pg.ClientBase,
  schema: string,
): Promise<readonly { readonly name: string; readonly position: Position }[]> => {
  const { rows } = await pool.query<{ name: string; pos: string }>(
    `SELECT DISTINCT ON (name) name, pos
     FROM (SELECT *, max(lease_until) OVER () AS newest FROM ${table(schema)}) c
     WHERE lease_until > newest - interval '1 minute' ORDER BY name, version DESC`,
  );
  return rows.map(({ name, pos }) => ({ name, position: BigInt(pos) }));
};
