import type { Prng } from '@kontor/testing';
import type { Comparator, Comparison, Grammar } from './filter.js';

/** What a search looks at, as plain values. What is absent is undefined. */
export interface Searched {
  readonly id: string;
  /** Of what a search looks for in experiments. */
  readonly experimentId?: string;
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
  /** The latest value of each. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly datasets: readonly Readonly<Record<string, string | undefined>>[];
}

/** One clause of an order: values first, then NaN, then what is absent, in both directions. */
export interface Clause {
  readonly entity: 'attribute' | 'metric' | 'param' | 'tag';
  readonly key: string;
  readonly descending: boolean;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Whether a text fits a pattern of LIKE: `%` is any text, `_` one character, a backslash takes the next one literally. */
const isLike = (text: string, pattern: string, flags: string): boolean => {
  const parts = pattern.match(/\\[\s\S]|[\s\S]/gu) ?? [];
  const regex = parts.map((part) => {
    if (part === '%') return '[\\s\\S]*';
    if (part === '_') return '[\\s\\S]';
    return escaped(part.length > 1 && part.startsWith('\\') ? part.slice(1) : part);
  });
  return new RegExp(`^${regex.join('')}$`, `u${flags}`).test(text);
};

const holds = (left: string | number | undefined, comparator: Comparator, right: Comparison['value']): boolean => {
  if (comparator === 'IS NULL') return left === undefined;
  if (left === undefined) return false;
  switch (comparator) {
    case 'IS NOT NULL':
      return true;
    case '=':
      return left === right;
    case '!=':
      return left !== right;
    case '>':
      return Number(left) > Number(right);
    case '>=':
      return Number(left) >= Number(right);
    case '<':
      return Number(left) < Number(right);
    case '<=':
      return Number(left) <= Number(right);
    case 'LIKE':
      return isLike(String(left), String(right), '');
    case 'ILIKE':
      return isLike(String(left), String(right), 'i');
    case 'RLIKE':
      return new RegExp(String(right), 'u').test(String(left));
    case 'IN':
      return [right].flat().includes(left);
    case 'NOT IN':
      return ![right].flat().includes(left);
  }
};

/** Whether an object fits all terms of a filter. */
export const fits = (object: Searched, terms: readonly Comparison[]): boolean =>
  terms.every(({ entity, key, comparator, value }) => {
    switch (entity) {
      case 'attribute':
        return holds(object.attributes[key], comparator, value);
      case 'metric':
        return holds(object.metrics[key], comparator, value);
      case 'param':
        return holds(object.params[key], comparator, value);
      case 'tag':
        return holds(object.tags[key], comparator, value);
      case 'dataset':
        return object.datasets.some((dataset) => holds(dataset[key], comparator, value));
      default:
        throw new Error(`no search here knows ${entity}`);
    }
  });

const valueOf = (object: Searched, { entity, key }: Clause): string | number | undefined =>
  ({ attribute: object.attributes, metric: object.metrics, param: object.params, tag: object.tags })[entity][key];

/** @param rankOf the place of a text in the order of the database's collation. */
export const inOrder = (
  objects: readonly Searched[],
  clauses: readonly Clause[],
  rankOf: (text: string) => number,
): readonly Searched[] => {
  const group = (value: string | number | undefined) => (value === undefined ? 2 : Number.isNaN(value) ? 1 : 0);
  const number = (value: string | number | undefined) => (typeof value === 'string' ? rankOf(value) : (value ?? 0));
  return [...objects].sort((a, b) => {
    for (const clause of clauses) {
      const [left, right] = [valueOf(a, clause), valueOf(b, clause)];
      if (group(left) !== group(right)) return group(left) - group(right);
      if (group(left) === 0 && number(left) !== number(right)) {
        return (number(left) < number(right) ? -1 : 1) * (clause.descending ? -1 : 1);
      }
    }
    return 0;
  });
};

/** Words to draw from: what only differs by case, accents, quotes, and signs that patterns know. */
export const TEXTS = [
  'a',
  'A',
  'ab',
  'a%b',
  'a_b',
  'é',
  'É',
  '日本',
  '😀',
  "it's",
  'a"b',
  'x y',
  '10',
  '9',
  'line\nx',
  '',
];
export const KEYS = ['k', 'K', 'a b', 'a.b', 'é', 'in', 'mlflow.note.content', '10', 'a-b', 'x/y'];
export const NUMBERS = [0, 1, -1, 1.5, 2, 100, 1e-3, 1e10, Number.MAX_VALUE, NaN];

export const oneOf = <Item>(chance: Prng, items: readonly Item[]): Item => {
  const item = items[Math.floor(chance() * items.length)];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
};

/** Each key with a probability of a half. */
export const someOf = <Value>(chance: Prng, values: readonly Value[]): Readonly<Record<string, Value>> =>
  Object.fromEntries(KEYS.filter(() => chance() < 0.5).map((key) => [key, oneOf(chance, values)]));

const NUMERIC = ['>', '>=', '=', '!=', '<', '<='] as const;
const TEXT = ['=', '!=', 'LIKE', 'ILIKE'] as const;
const LISTS = ['IN', 'NOT IN'] as const;
const NULLS = ['IS NULL', 'IS NOT NULL'] as const;

const pattern = (chance: Prng): string => {
  const text = oneOf(chance, TEXTS).replace(/\\/g, '');
  const wild = () => oneOf(chance, ['', '%', '_']);
  return oneOf(chance, [`${wild()}${text}${wild()}`, text.toUpperCase(), '%', '_']);
};

/** A term that the grammar allows, over the values that the objects have. */
export const randomTerm = (chance: Prng, grammar: Grammar, objects: readonly Searched[]): Comparison => {
  const known = [...new Set(Object.values(grammar.entities))];
  const entity = oneOf(chance, known);
  const numberTerm = (key: string, numbers: readonly number[]): Comparison => {
    const value = oneOf(chance, numbers);
    return { entity, key, comparator: oneOf(chance, NUMERIC), value: Number.isFinite(value) ? value : 0 };
  };
  const textTerm = (key: string, comparators: readonly Comparator[], texts: readonly string[]): Comparison => {
    const comparator = oneOf(chance, comparators);
    if (comparator === 'IS NULL' || comparator === 'IS NOT NULL') return { entity, key, comparator };
    const text = () => oneOf(chance, texts);
    if (comparator === 'IN' || comparator === 'NOT IN') return { entity, key, comparator, value: [text(), text()] };
    return { entity, key, comparator, value: comparator.endsWith('LIKE') ? pattern(chance) : text() };
  };
  if (entity === 'metric') return numberTerm(oneOf(chance, KEYS), NUMBERS);
  if (entity === 'dataset') {
    const key = oneOf(chance, ['name', 'digest', 'context']);
    return textTerm(key, [...TEXT, ...LISTS], TEXTS);
  }
  const takesLists = grammar.search === 'logged models';
  if (entity === 'attribute') {
    const numeric = grammar.numericAttributes;
    if (numeric.length > 0 && chance() < 0.3) {
      const key = oneOf(chance, numeric);
      const fractions = grammar.search === 'runs' || grammar.search === 'logged models' ? [1.5] : [];
      return numberTerm(key, [...objects.map(({ attributes }) => Number(attributes[key] ?? 0)), ...fractions]);
    }
    // Personal attributes are stored encrypted and cannot be searched.
    const key = oneOf(
      chance,
      grammar.stringAttributes.filter((name) => name !== 'user_id' && name !== 'status'),
    );
    const lists = takesLists || grammar.listAttributes.includes(key) ? LISTS : [];
    const texts = objects.map(({ attributes }) => String(attributes[key] ?? ''));
    // Numbers in the form of texts are compared as a whole.
    if (key === 'experiment_id') return textTerm(key, ['=', '!=', ...lists], texts);
    return textTerm(key, [...TEXT, ...lists], [...texts, ...TEXTS]);
  }
  const nulls = grammar.search === 'runs' || (grammar.search === 'experiments' && entity === 'tag') ? NULLS : [];
  return textTerm(oneOf(chance, KEYS), [...TEXT, ...nulls, ...(takesLists ? LISTS : [])], TEXTS);
};

/** The grammar has no escapes: a text stands in the quotes that it does not hold. */
const quoted = (text: string): string => (text.includes("'") ? `"${text}"` : `'${text}'`);

export const keyText = (key: string): string => (/^[A-Za-z_]\w*$/.test(key) ? key : `\`${key}\``);

/** A filter as a client writes it. */
export const filterText = (terms: readonly Comparison[]): string =>
  terms
    .map(({ entity, key, comparator, value }) => {
      const left = `${entity === 'attribute' ? '' : `${entity}s.`}${keyText(key)}`;
      if (value === undefined) return `${left} ${comparator}`;
      if (typeof value === 'number') return `${left} ${comparator} ${value}`;
      const right = typeof value === 'string' ? quoted(value) : `(${value.map(quoted).join(', ')})`;
      return `${left} ${comparator} ${right}`;
    })
    .join(' AND ');
