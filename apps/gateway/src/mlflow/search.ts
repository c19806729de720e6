import { PERSONAL_TAGS } from '@kontor/domain/registry';
import { invalid, MlflowError } from './errors.js';
import {
  type Comparison,
  type Entity,
  EXPERIMENT_FILTER,
  type Grammar,
  MODEL_FILTER,
  unknownAttribute,
  unknownEntity,
} from './filter.js';
import type { Conditions } from './row-query.js';

/** SQL of an attribute: over columns of the read model, or over what is only in the body of a row. */
type Attribute = string | { readonly body: string };

/** What is compared and ordered by. */
export const sqlOf = (attribute: Attribute): string => (typeof attribute === 'string' ? attribute : attribute.body);

/** How the attributes of one search are written in SQL. */
export interface SearchColumns {
  /** Numeric ones must be numbers. */
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Whether rows are also ordered by metrics, params and tags. */
  readonly ordersByKeys?: boolean;
  /** Of what has metrics. */
  readonly metrics?: MetricColumns;
  /** SQL of terms about what only one search knows. */
  readonly terms?: Partial<Record<Entity, (term: Comparison, conditions: Conditions) => string>>;
}

/** How one search reads the latest value of a metric. */
export interface MetricColumns {
  /** SQL of a term over it. */
  readonly holds: (term: Comparison, conditions: Conditions) => string;
  /** SQL of an order by it: values first, then NaN, then what lacks it. */
  readonly order: (key: string, direction: string, conditions: Conditions) => string;
}
/** SQL of a stored time in whole milliseconds, cut as answers show it: a filter on what was shown finds it. */
export const msSql = (time: string): string => `floor(extract(epoch FROM (${time})::timestamptz) * 1000)::bigint`;

/** SQL of what a run used its dataset `d` for; null if it does not say it. */
export const DATASET_CONTEXT = `(SELECT t->>'value' FROM json_array_elements(d->'tags') t WHERE t->>'key' = 'mlflow.data.context')`;

/** A comparison as SQL. @param left SQL of what is compared */
export const comparison = (left: string, { comparator, value }: Comparison, conditions: Conditions): string => {
  if (comparator === 'IN' || comparator === 'NOT IN') {
    return `${comparator === 'IN' ? '' : 'NOT '}(${left} = ANY (${conditions.bind(value)}))`;
  }
  // Columns of the read models compare bytes, which knows upper and lower case of ASCII only.
  if (comparator === 'RLIKE') return `${left} ~ ${conditions.bind(value)}`;
  if (comparator === 'ILIKE') return `${left} COLLATE "default" ILIKE ${conditions.bind(value)}`;
  // As a double, whatever the left side is: a time in whole milliseconds may be compared with a fraction.
  return `${left} ${comparator} ${conditions.bind(value)}${typeof value === 'number' ? '::double precision' : ''}`;
};

/** @throws MlflowError for a key whose values are encrypted: SQL cannot compare them, and no match would be a wrong answer. */
const refusePersonal = (entity: string, key: string): void => {
  const isPersonal =
    entity === 'attribute' ? key === 'user_id' : ['tag', 'metadata'].includes(entity) && PERSONAL_TAGS.includes(key);
  if (isPersonal)
    throw invalid(
      `Invalid ${entity} key '${key}' specified. It holds personal data, which is stored encrypted: filter and order by other keys.`,
    );
};

/** Where a row holds the values of what has keys. */
const LISTS = { param: 'params', tag: 'tags', metadata: 'metadata' } as const;

/** One term of a filter as a condition over the row. What lacks the key matches no comparison on it, not even `!=`. */
const toSql = ({ attributes, metrics, terms }: SearchColumns, term: Comparison, conditions: Conditions): string => {
  const { entity, key, comparator } = term;
  if (comparator !== 'IS NULL' && comparator !== 'IS NOT NULL') refusePersonal(entity, key);
  switch (entity) {
    case 'attribute': {
      const attribute = attributes[key];
      if (attribute === undefined) throw new Error(`no SQL for the attribute ${key}`);
      const holds = comparison(sqlOf(attribute), term, conditions);
      // PostgreSQL knows nothing of what is in a body and takes a match for one row in 200: it would read and sort all rows for a
      // page. Half of them, as it takes a CASE for, makes it walk them in their order until the page is full.
      return typeof attribute === 'string' ? holds : `CASE WHEN ${holds} THEN true END`;
    }
    case 'metric':
      if (metrics === undefined) throw new Error(`no SQL for the metric ${key}`);
      return metrics.holds(term, conditions);
    case 'param':
    case 'tag':
    case 'metadata': {
      const list = LISTS[entity];
      if (comparator === 'IS NULL') return `NOT ${exists(list, key, 'true', conditions)}`;
      if (comparator === 'IS NOT NULL') return exists(list, key, 'true', conditions);
      return exists(list, key, comparison("p->>'value'", term, conditions), conditions);
    }
    case 'dataset': {
      const field = { name: "d->>'name'", digest: "d->>'digest'" }[key];
      if (field === undefined && key !== 'context') {
        throw invalid(`Invalid dataset key '${key}' specified. Valid keys are '{'name', 'digest', 'context'}'`);
      }
      const holds = comparison(field ?? DATASET_CONTEXT, term, conditions);
      return `EXISTS (SELECT FROM json_array_elements(body->'datasets') d WHERE ${holds})`;
    }
    default: {
      const own = terms?.[entity];
      if (own === undefined) throw new Error(`no SQL for ${entity}.${key}`);
      return own(term, conditions);
    }
  }
};

const exists = (list: string, key: string, holds: string, conditions: Conditions): string =>
  `EXISTS (SELECT FROM json_array_elements(body->'${list}') p WHERE p->>'key' = ${conditions.bind(key)} AND (${holds}))`;

/** Adds the terms of a filter to the conditions. */
export const addFilter = (columns: SearchColumns, filter: readonly Comparison[], conditions: Conditions): void => {
  for (const term of filter) conditions.add(toSql(columns, term, conditions));
};

/** One clause of `order_by`: `metrics.loss DESC`. A key begins with a letter or stands in quotes. */
const CLAUSE =
  /^\s*(?:([A-Za-z_]+)\s*\.\s*)?(`[^`]+`|"[^"]+"|[\p{L}_][\p{L}\p{N}_./-]*|(?<=\.)\S+?)(?:\s+(ASC|DESC))?\s*$/iu;

const bare = (quoted: string): string => quoted.replace(/^[`"]|[`"]$/g, '');

/** The metric by which the first clause of `order_by` orders, if it is one. */
export const firstMetric = ([clause = '']: readonly string[], { entities }: Grammar): string | undefined => {
  const [, spelled = '', quoted = ''] = CLAUSE.exec(clause) ?? [];
  return entities[spelled] === 'metric' ? bare(quoted) : undefined;
};

interface Order {
  /** Names of what a key may belong to, and other names of attributes. */
  readonly grammar: Grammar;
  /** SQL that makes the order total. */
  readonly ties: string;
  readonly conditions: Conditions;
}

/**
 * `order_by` as SQL. Values come first, then NaN, then what lacks the key, in both directions.
 *
 * @throws MlflowError in MLflow's words.
 */
export const orderBySql = (
  columns: SearchColumns,
  clauses: readonly string[],
  { grammar, ties, conditions }: Order,
): string => {
  const seen = new Set<string>();
  const sql = clauses.map((clause) => {
    const [, spelled, quoted = '', direction = 'ASC'] = CLAUSE.exec(clause) ?? [];
    if (quoted === '') {
      throw invalid(
        /^\s*\S+\s+\S+\s*$/.test(clause)
          ? `Invalid ordering key in order_by clause '${clause}'.`
          : `Invalid order_by clause '${clause}'. Could not be parsed.`,
      );
    }
    const key = bare(quoted);
    const entity = spelled === undefined ? 'attribute' : grammar.entities[spelled];
    if (grammar === MODEL_FILTER && spelled !== undefined) throw unknownModelKey(`${spelled}.${key}`);
    if (entity === undefined) throw unknownEntity(grammar, spelled ?? '');
    if (!columns.ordersByKeys && entity !== 'attribute') throw invalid(`Invalid order_by entity: ${entity}`);
    const name = entity === 'attribute' ? (grammar.aliases[key] ?? key) : key;
    const attribute = entity === 'attribute' ? columns.attributes[name] : undefined;
    const field = attribute === undefined ? `${entity}.${name}` : sqlOf(attribute);
    // Experiments alone take a field twice, by either of its names.
    if (grammar !== EXPERIMENT_FILTER && seen.size === seen.add(field).size) {
      throw new MlflowError('INTERNAL_ERROR', `\`order_by\` contains duplicate fields: ${pythonList(clauses)}`, {
        status: 400,
      });
    }
    refusePersonal(entity, name);
    return orderTerm(entity, name, direction.toUpperCase(), { columns, grammar, conditions });
  });
  return [...sql, ties].join(', ');
};

const unknownModelKey = (key: string) =>
  invalid(`Invalid order by key '${key}' specified. Valid keys are '{'name', 'timestamp'}'`);

const orderTerm = (
  entity: Entity,
  key: string,
  direction: string,
  { columns, grammar, conditions }: Pick<Order, 'grammar' | 'conditions'> & { readonly columns: SearchColumns },
): string => {
  switch (entity) {
    case 'metric':
      if (columns.metrics === undefined) throw new Error(`no SQL for the metric ${key}`);
      return columns.metrics.order(key, direction, conditions);
    case 'param':
    case 'tag':
    case 'metadata': {
      const ofKey = `json_array_elements(body->'${LISTS[entity]}') p WHERE p->>'key' = ${conditions.bind(key)}`;
      return `(SELECT p->>'value' FROM ${ofKey} LIMIT 1) ${direction} NULLS LAST`;
    }
    case 'attribute': {
      const attribute = columns.attributes[key];
      if (attribute !== undefined) return `${sqlOf(attribute)} ${direction} NULLS LAST`;
      if (grammar === MODEL_FILTER) throw unknownModelKey(key);
      const aliases = Object.keys(grammar.aliases).filter((name) => /^created$/i.test(name));
      const valid = [...Object.keys(columns.attributes), ...aliases];
      throw unknownAttribute(grammar, key, valid);
    }
    default:
      throw invalid(
        grammar.search === 'traces' ? `Invalid identifier type '${entity}'` : `Invalid order_by entity: ${entity}`,
      );
  }
};

const pythonList = (items: readonly string[]): string => `[${items.map((item) => `'${item}'`).join(', ')}]`;
