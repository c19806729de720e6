import type { AliasMoveRow } from '../registry/alias-moves.projection.js';
import { aliasMoveEntity, registeredModelEntity } from '../registry/registry.entities.js';
import type { RegisteredModelRow } from '../registry/registered-models.projection.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { missing } from './errors.js';
import { required, string } from './message.js';
import { checkedAlias, checkedModelName } from './names.js';
import type { RowQuery } from './row-query.js';

/** More models than ever had one name. */
const MAX_MODELS = 1_000;
/** Each move is an act of somebody. */
const MAX_MOVES = 100_000;

/** Where an interval begins or ends. */
const edge = ({ movedPosition, movedAt, movedBy, reason }: AliasMoveRow) => ({
  position: movedPosition,
  time: movedAt,
  actor: movedBy,
  reason,
});

interface Interval {
  readonly model_id: string;
  /** What the model was called when it began. */
  readonly name: string;
  readonly version: string;
  readonly from: ReturnType<typeof edge>;
  readonly to: ReturnType<typeof edge> | null;
}

/**
 * When which version of one model had an alias. It has none while its model is deleted.
 *
 * @param moves of the alias and of the model, oldest first.
 * @param only the name that the model must have, for one that has another one today; absent for the model that has it today.
 */
const intervalsOf = (moves: readonly AliasMoveRow[], only?: string): readonly Interval[] => {
  const intervals: Interval[] = [];
  let version: number | null = null;
  let deleted = false;
  let open: Omit<Interval, 'to'> | undefined;
  for (const move of moves) {
    if (move.alias !== null) version = move.version;
    if (move.kind === 'MODEL_DELETED') deleted = true;
    if (move.kind === 'MODEL_RESTORED') deleted = false;
    const { modelName: name } = move;
    const shown = deleted || (only !== undefined && name !== only) ? null : version;
    if (open !== undefined && open.version !== String(shown)) {
      intervals.push({ ...open, to: edge(move) });
      open = undefined;
    }
    if (open === undefined && shown !== null)
      open = { model_id: move.modelId, name, version: String(shown), from: edge(move) };
  }
  return open === undefined ? intervals : [...intervals, { ...open, to: null }];
};

/** The models that have or had a name: deleted ones, and those that were renamed since. */
const modelsNamed = async (rows: RowQuery, name: string): Promise<readonly RegisteredModelRow[]> => {
  const conditions = rows.conditions();
  const value = conditions.bind(name);
  const moves = rows.relation(aliasMoveEntity, 'm');
  conditions.add(
    `name = ${value} OR EXISTS (SELECT FROM ${moves} WHERE m."modelName" = ${value} AND m."modelId" = registered_models."modelId")`,
  );
  return rows.list(registeredModelEntity, conditions, { orderBy: `body->>'createdAt', key`, limit: MAX_MODELS });
};

const movesOf = (rows: RowQuery, modelId: string, alias: string): Promise<readonly AliasMoveRow[]> => {
  const conditions = rows.conditions();
  conditions.add(`"modelId" = ${conditions.bind(modelId)}`);
  conditions.add(`alias = ${conditions.bind(alias)} OR alias IS NULL`);
  return rows.list(aliasMoveEntity, conditions, { orderBy: 'moved', limit: MAX_MOVES });
};

/**
 * Which version had an alias when, since when by whom, and why: what `models:/<name>@<alias>` has meant.
 *
 * Of the model that has the name today this is all of its history, under earlier names too: a rename changes no model.
 * Of others that had the name before it is the time in which they had it.
 */
export const aliasHistoryEndpoint: Endpoint = endpoint({
  method: 'GET',
  path: '/kontor/aliases/history',
  fields: { name: required(string), alias: required(string) },
  handle: async ({ name, alias }, call) => {
    checkedModelName(name);
    checkedAlias(alias);
    const rows = await call.rows();
    const models = await modelsNamed(rows, name);
    if (models.length === 0) throw missing(`Registered Model with name=${name} not found`);
    const found = await Promise.all(
      models.map(async (model) => {
        const holds = model.name === name && !model.deleted;
        return intervalsOf(await movesOf(rows, model.modelId, alias), holds ? undefined : name);
      }),
    );
    const intervals = found.flat().sort((a, b) => (BigInt(a.from.position) < BigInt(b.from.position) ? -1 : 1));
    return { name, alias, intervals };
  },
});
