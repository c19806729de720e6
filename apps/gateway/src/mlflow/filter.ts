import { invalid } from './errors.js';

/** What a term of a filter is about. */
export type Entity =
  | 'attribute'
  | 'metric'
  | 'param'
  | 'tag'
  | 'dataset'
  // Only traces have these; `link` is to a run or a prompt.
  | 'metadata'
  | 'span'
  | 'feedback'
  | 'expectation'
  | 'issue'
  | 'link';

export type Comparator =
  '=' | '!=' | '>' | '>=' | '<' | '<=' | 'LIKE' | 'ILIKE' | 'RLIKE' | 'IN' | 'NOT IN' | 'IS NULL' | 'IS NOT NULL';

/** One term of a filter. Terms are joined by AND; there is nothing else in the grammar. */
export interface Comparison {
  readonly entity: Entity;
  readonly key: string;
  readonly comparator: Comparator;
  /** A number for numeric keys, a list for IN and NOT IN, absent for IS [NOT] NULL. */
  readonly value?: number | string | readonly string[];
}

/** What one search allows on the left and between. */
export interface Grammar {
  /** Spellings of each entity; the key of a term without one is an attribute. */
  readonly entities: Readonly<Record<string, Entity>>;
  readonly stringAttributes: readonly string[];
  readonly numericAttributes: readonly string[];
  /** Attributes that may be compared with a list. */
  readonly listAttributes: readonly string[];
  /** Other names of an attribute. */
  readonly aliases: Readonly<Record<string, string>>;
  /** What is searched: each search has words of its own for a refusal, and IS NULL is not known to all of them. */
  readonly search: 'runs' | 'experiments' | 'registry' | 'logged models' | 'traces' | 'evaluation datasets';
  /** Judges a term in the words of this search, where they are not those of {@link checked}. @throws MlflowError */
  readonly check?: (term: Comparison) => Comparison;
}

export const NUMERIC: readonly Comparator[] = ['>', '>=', '!=', '=', '<', '<='];
const TEXT: readonly Comparator[] = ['=', '!=', 'LIKE', 'ILIKE'];

export const RUN_FILTER: Grammar = {
  entities: {
    metric: 'metric',
    metrics: 'metric',
    param: 'param',
    params: 'param',
    parameter: 'param',
    parameters: 'param',
    tag: 'tag',
    tags: 'tag',
    attribute: 'attribute',
    attributes: 'attribute',
    attr: 'attribute',
    run: 'attribute',
    dataset: 'dataset',
    datasets: 'dataset',
  },
  stringAttributes: ['run_id', 'run_name', 'user_id', 'status', 'artifact_uri'],
  numericAttributes: ['start_time', 'end_time'],
  listAttributes: ['run_id'],
  aliases: {
    created: 'start_time',
    Created: 'start_time',
    'run name': 'run_name',
    'Run name': 'run_name',
    'Run Name': 'run_name',
    run_uuid: 'run_id',
  },
  search: 'runs',
};

export const EXPERIMENT_FILTER: Grammar = {
  entities: { tag: 'tag', tags: 'tag', attribute: 'attribute', attributes: 'attribute' },
  stringAttributes: ['name', 'experiment_id'],
  numericAttributes: ['creation_time', 'last_update_time'],
  listAttributes: ['experiment_id'],
  aliases: {},
  search: 'experiments',
};

export const MODEL_FILTER: Grammar = {
  entities: { tag: 'tag', tags: 'tag', attribute: 'attribute' },
  stringAttributes: ['name'],
  numericAttributes: [],
  listAttributes: ['name'],
  aliases: {},
  search: 'registry',
};

export const VERSION_FILTER: Grammar = {
  entities: { tag: 'tag', tags: 'tag', attribute: 'attribute' },
  stringAttributes: ['name', 'run_id', 'source_path'],
  numericAttributes: ['version_number'],
  listAttributes: ['name', 'run_id'],
  aliases: {},
  search: 'registry',
};

export const DATASET_FILTER: Grammar = {
  entities: { tags: 'tag' },
  stringAttributes: ['name', 'created_by', 'last_updated_by'],
  numericAttributes: ['created_time', 'last_update_time'],
  listAttributes: ['name'],
  aliases: {},
  search: 'evaluation datasets',
};

type Token =
  | { readonly kind: 'identifier' | 'quoted'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'operator'; readonly text: string }
  | { readonly kind: 'punctuation'; readonly text: string };

// In this order: a longer operator before its beginning, a number before an identifier that could hold its exponent.
const TOKENS: readonly (readonly [Token['kind'], RegExp])[] = [
  ['string', /'((?:[^'\\]|\\.)*)'/y],
  ['quoted', /`([^`]*)`|"((?:[^"\\]|\\.)*)"/y],
  ['number', /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\p{L}\p{N}_])/uy],
  // Any run of these characters: `==` is refused as a comparator, not as an equals sign before another.
  ['operator', /[=<>!]+/y],
  ['identifier', /[\p{L}\p{N}_][\p{L}\p{N}_/-]*/uy],
  ['punctuation', /[.,()]/y],
];

/** A text as Python's `repr` writes it inside MLflow's messages. */
const pythonText = (text: string): string => (text.includes("'") ? `"${text}"` : `'${text}'`);

const tokenize = (filter: string, refuse: (clause: string) => Error): Token[] => {
  const tokens: Token[] = [];
  let at = 0;
  while (at < filter.length) {
    if (/\s/.test(filter[at] ?? '')) {
      at++;
      continue;
    }
    const found = TOKENS.map(([kind, pattern]) => {
      pattern.lastIndex = at;
      return { kind, match: pattern.exec(filter) };
    }).find(({ match }) => match !== null);
    if (!found?.match && filter[at] === ';' && filter.slice(at + 1).trim() !== '') {
      const quoted = pythonText(filter);
      throw invalid(`Search filter contained multiple expression ${quoted}. Provide AND-ed expression list.`);
    }
    if (!found?.match) throw refuse(filter.slice(at));
    const [whole, first, second] = found.match;
    tokens.push({ kind: found.kind, text: first ?? second ?? whole });
    at += whole.length;
  }
  return tokens;
};

/**
 * Parses a search filter.
 *
 * @returns the terms, all of which must hold; none for an empty filter.
 * @source MLflow 3.18.0, mlflow/utils/search_utils.py, `SearchUtils`.
 * @throws MlflowError INVALID_PARAMETER_VALUE in MLflow's words.
 */
export const parseFilter = (grammar: Grammar, filter: string): readonly Comparison[] => {
  if (filter.trim() === '') return [];
  const quote = ['runs', 'traces'].includes(grammar.search) ? "'" : '';
  const judged = grammar.check ?? ((term: Comparison) => checked(grammar, term));
  const refuse = (clause: string) =>
    invalid(
      grammar.search === 'logged models'
        ? `Invalid filter string: ${pythonText(filter)}. Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss > 0.1 AND params.lr = 0.01').`
        : `Invalid clause(s) in filter string: ${quote}${clause}${quote}`,
    );
  const tokens = tokenize(filter, refuse);
  const terms: Comparison[] = [];
  let at = 0;
  const peek = () => tokens[at];
  const isWord = (word: string) => peek()?.kind === 'identifier' && peek()?.text.toUpperCase() === word;
  const skipWord = (word: string) => isWord(word) && Boolean(++at);

  const parseKey = (): { entity: Entity; key: string } => {
    const first = tokens[at++];
    if (first?.kind !== 'identifier' && first?.kind !== 'quoted') {
      throw invalid(`Invalid comparison clause. Expected 'Identifier' found '${first?.text ?? ''}'`);
    }
    if (peek()?.text !== '.' || peek()?.kind !== 'punctuation') return { entity: 'attribute', key: first.text };
    const entity = grammar.entities[first.text.toLowerCase()];
    if (!entity) throw unknownEntity(grammar, first.text);
    const parts: string[] = [];
    while (peek()?.text === '.' && peek()?.kind === 'punctuation') {
      at++;
      const part = tokens[at++];
      if (!part || !['identifier', 'quoted', 'number'].includes(part.kind)) throw refuse(part?.text ?? filter);
      parts.push(part.text);
    }
    return { entity, key: parts.join('.') };
  };

  const parseComparator = (): Comparator => {
    const token = tokens[at++];
    // Whether it is one that exists is judged with the key: the answer lists what this key allows.
    if (token?.kind === 'operator') return token.text as Comparator;
    const word = token?.kind === 'identifier' ? token.text.toUpperCase() : '';
    if (word === 'LIKE' || word === 'ILIKE' || word === 'IN') return word;
    if (word === 'RLIKE' && grammar.search === 'traces') return word;
    if (word === 'NOT' && skipWord('IN')) return 'NOT IN';
    if (word === 'IS') {
      const negated = skipWord('NOT');
      if (skipWord('NULL')) return negated ? 'IS NOT NULL' : 'IS NULL';
    }
    throw refuse(token?.text ?? filter);
  };

  const parseList = (): readonly string[] => {
    if (tokens[at++]?.text !== '(') throw refuse(filter);
    const values: string[] = [];
    while (peek()?.kind === 'string' || peek()?.kind === 'quoted' || peek()?.kind === 'number') {
      if (peek()?.kind === 'number') {
        throw invalid(
          `While parsing a list in the query, expected string value, punctuation, or whitespace, but got different type in list: (${peek()?.text},)`,
        );
      }
      values.push(tokens[at++]?.text ?? '');
      if (peek()?.text === ',') at++;
    }
    if (values.length === 0 && peek()?.text === ')') {
      throw invalid(
        'While parsing a list in the query, expected a non-empty list of string values, but got empty list',
      );
    }
    if (tokens[at++]?.text !== ')') throw refuse(filter);
    return values;
  };

  for (;;) {
    const { entity, key } = parseKey();
    const comparator = parseComparator();
    if (comparator === 'IS NULL' || comparator === 'IS NOT NULL') terms.push(judged({ entity, key, comparator }));
    else if (comparator === 'IN' || comparator === 'NOT IN') {
      terms.push(judged({ entity, key, comparator, value: parseList() }));
    } else {
      const value = tokens[at++];
      if (!value || value.kind === 'operator' || value.kind === 'punctuation') throw refuse(value?.text ?? filter);
      terms.push(judged({ entity, key, comparator, value: valueOf(grammar, entity, key, value) }));
    }
    if (at === tokens.length) return terms;
    if (!skipWord('AND')) throw refuse(peek()?.text ?? filter);
  }
};

/**
 * The right side of a comparison. Only a search of logged models takes a text without quotes, as MLflow's own examples
 * write it: `params.lr = 0.01`.
 */
const valueOf = (grammar: Grammar, entity: Entity, key: string, { kind, text }: Token): number | string => {
  const attribute = grammar.aliases[key] ?? key;
  const isNumeric = entity === 'metric' || (entity === 'attribute' && grammar.numericAttributes.includes(attribute));
  if (kind === 'identifier' && isNumeric) {
    throw invalid(
      `Expected numeric value type for ${entity === 'metric' ? 'metric' : `numeric attribute: ${key}`}. Found ${text}`,
    );
  }
  if (grammar.search === 'logged models' && !isNumeric) return text;
  if (kind === 'identifier') {
    throw invalid(
      `Parameter value is either not quoted or unidentified quote types used for string value ${text}. Use either single or double quotes.`,
    );
  }
  return kind === 'number' ? Number(text) : text;
};

export const unknownEntity = ({ entities, search }: Grammar, name: string): Error => {
  const known = [...new Set(Object.values(entities))];
  const quoted = (names: readonly string[]) => names.map((text) => `'${text}'`).join(', ');
  switch (search) {
    case 'runs':
      return invalid(
        `Invalid entity type '${name}'. Valid values are [${quoted(known.map((entity) => (entity === 'param' ? 'parameter' : entity)))}]`,
      );
    case 'traces':
      return invalid(`Invalid entity type '${name}'. Valid values are {${quoted(Object.keys(entities))}}`);
    case 'evaluation datasets':
      return invalid(`Invalid identifier token '${name}' specified`);
    case 'logged models':
      return invalid(`Invalid entity type: '${name}'. Expected one of ['attributes', 'metrics', 'params', 'tags'].`);
    default:
      return invalid(`Invalid entity type '${name}'. Valid entity types are (${quoted(Object.keys(entities).sort())})`);
  }
};

export const unknownAttribute = ({ search }: Grammar, key: string, valid: readonly string[]): Error =>
  invalid(
    search === 'evaluation datasets'
      ? `Invalid attribute key '${key}' specified. Valid keys are: ${list(valid)}`
      : `Invalid attribute key '${key}' specified. Valid keys are '${list(valid)}'`,
  );

export const list = (names: readonly string[]): string => `{${names.map((name) => `'${name}'`).join(', ')}}`;

/** The term with its attribute's own name and a value of the right type, or the refusal that MLflow gives. */
const checked = (grammar: Grammar, term: Comparison): Comparison => {
  const { entity, comparator, value } = term;
  const key = entity === 'attribute' ? (grammar.aliases[term.key] ?? term.key) : term.key;
  if (comparator === 'IS NULL' || comparator === 'IS NOT NULL') {
    refuseNullCheck(grammar, { entity, key, comparator });
    return { entity, key, comparator };
  }
  if (entity === 'metric') {
    const number = numeric(value, 'metric');
    return { entity, key, comparator: oneOf(grammar, term, NUMERIC), value: number };
  }
  if (entity === 'attribute' && grammar.numericAttributes.includes(key)) {
    const number = key === 'version_number' ? wholeNumber(key, value) : numeric(value, `numeric attribute: ${key}`);
    if (grammar.search === 'experiments' || grammar.search === 'evaluation datasets') wholeNumber(key, String(number));
    return { entity, key, comparator: oneOf(grammar, term, NUMERIC), value: number };
  }
  if (entity === 'attribute' && !grammar.stringAttributes.includes(key)) {
    const { stringAttributes, numericAttributes, aliases } = grammar;
    throw unknownAttribute(grammar, term.key, [...stringAttributes, ...numericAttributes, ...Object.keys(aliases)]);
  }
  if (Array.isArray(value)) {
    const takesLists =
      entity === 'dataset' ||
      grammar.search === 'logged models' ||
      (entity === 'attribute' && grammar.listAttributes.includes(key));
    if (takesLists && grammar.search === 'evaluation datasets' && comparator !== 'IN')
      throw invalid("List values for 'name' are only supported with the IN comparator.");
    if (takesLists) return { ...term, key };
    if (entity !== 'attribute') {
      throw invalid(
        `Expected a quoted string value for ${LABEL[entity]} (e.g. 'my-value'). Got value (${value.map((item) => `'${item}'`).join(', ')})`,
      );
    }
    const names = grammar.listAttributes.map((name) => `'${name}'`).join(', ');
    throw invalid(`Only [${names}] attributes support comparison with a list of quoted string values.`);
  }
  const isDatasetName = grammar.search === 'evaluation datasets' && entity === 'attribute';
  // Texts that come before or after another one are asked for there alone.
  oneOf(grammar, term, isDatasetName ? [...TEXT, ...NUMERIC] : TEXT);
  if (typeof value === 'string') return { ...term, key };
  const example = isDatasetName ? '' : " (e.g. 'my-value')";
  throw invalid(`Expected a quoted string value for ${LABEL[entity]}${example}. Got value ${String(value)}`);
};

/** @throws MlflowError unless this search may ask whether there is such a key. */
const refuseNullCheck = ({ search }: Grammar, { entity, key, comparator }: Comparison): void => {
  switch (search) {
    case 'runs':
    case 'evaluation datasets':
      if (entity === 'tag' && search !== 'runs') throw invalid(`Invalid comparator for tag: ${comparator}`);
      if (entity === 'tag' || entity === 'param') return;
      throw invalid(`IS NULL / IS NOT NULL is only supported for tags and params, not for '${entity}' '${key}'`);
    case 'experiments':
      if (entity === 'tag') return;
      throw invalid(`IS NULL / IS NOT NULL is only supported for tags, not for ${entity} '${key}'`);
    default:
      throw invalid(
        `IS NULL / IS NOT NULL is not supported for ${search === 'registry' ? 'registered model' : 'logged model'} search.`,
      );
  }
};

const LABEL: Partial<Record<Entity, string>> = {
  attribute: 'attributes',
  metric: 'metric',
  param: 'parameter',
  tag: 'tag',
  dataset: 'dataset',
};

const oneOf = ({ search }: Grammar, term: Comparison, allowed: readonly Comparator[]): Comparator => {
  const { entity, key, comparator } = term;
  if (allowed.includes(comparator)) return comparator;
  if (search === 'logged models') {
    const operators = allowed === TEXT ? [...TEXT, 'IN', 'NOT IN'] : ['<', '<=', '>', '>=', '=', '!='];
    throw invalid(
      `Invalid comparison operator for ${entity}s.${key}: '${comparator}'. Expected one of (${operators.map((operator) => `'${operator}'`).join(', ')}).`,
    );
  }
  if (search === 'registry' || search === 'evaluation datasets')
    throw invalid(`Invalid comparator for ${entity}: ${comparator}`);
  throw invalid(`Invalid comparator '${comparator}' not one of '${list(allowed)}'`);
};

/** @throws MlflowError unless the value is one, also as a text. */
const wholeNumber = (key: string, value: Comparison['value']): number => {
  if (Number.isInteger(Number(value)) && String(value).trim() !== '') return Number(value);
  const shown = typeof value === 'number' ? String(value) : `'${String(value)}'`;
  throw invalid(`Invalid value for numeric attribute '${key}': ${shown}`);
};

export const numeric = (value: Comparison['value'], what: string): number => {
  if (typeof value === 'number') return value;
  throw invalid(`Expected numeric value type for ${what}. Found '${String(value)}'`);
};
