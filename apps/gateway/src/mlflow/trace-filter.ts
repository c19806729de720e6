import { invalid } from './errors.js';
import { type Comparator, type Comparison, type Grammar, list, NUMERIC, numeric } from './filter.js';

const TEXT: readonly Comparator[] = ['!=', '=', 'LIKE', 'ILIKE', 'RLIKE'];
const TEXT_OR_NULL: readonly Comparator[] = [...TEXT, 'IS NULL', 'IS NOT NULL'];
const TEXT_OR_LIST: readonly Comparator[] = [...TEXT, 'IN', 'NOT IN'];
const ORDERING: readonly Comparator[] = ['>', '>=', '<', '<='];

const NUMBERS = ['timestamp_ms', 'execution_time_ms', 'end_time_ms'];
const TEXTS = ['request_id', 'status', 'client_request_id'];
/** Of what is no attribute by itself: a tag, metadata, links, and the text of spans. */
const OTHERS = ['name', 'run_id', 'prompt', 'text'];

/** The tag that is a trace's name, and the metadata that is its run. */
export const TRACE_NAME = 'mlflow.traceName';
export const SOURCE_RUN = 'mlflow.sourceRun';

const ALIASES = { timestamp: 'timestamp_ms', execution_time: 'execution_time_ms', end_time: 'end_time_ms' };

const isList = (value: Comparison['value']): boolean => Array.isArray(value);
const isNullCheck = ({ comparator }: Comparison): boolean => comparator === 'IS NULL' || comparator === 'IS NOT NULL';

/** @param end of the text: MLflow forgets a quote for tags. */
const refuseComparator = ({ comparator }: Comparison, allowed: readonly Comparator[], end = "'"): void => {
  if (!allowed.includes(comparator))
    throw invalid(`Invalid comparator '${comparator}' not one of '${list(allowed)}${end}`);
};

const requireText = (what: string, { value }: Comparison): void => {
  if (typeof value === 'number')
    throw invalid(`Expected a quoted string value for ${what} (e.g. 'my-value'). Got value ${value}`);
};

const checkedTag = (term: Comparison): Comparison => {
  requireText('tag', term);
  refuseComparator(term, TEXT_OR_NULL, '');
  return term;
};

const checkedMetadata = (term: Comparison): Comparison => {
  requireText('request_metadata', term);
  refuseComparator(term, TEXT_OR_NULL);
  // Also traces that were linked to the run later.
  return term.key === SOURCE_RUN && term.comparator === '=' ? { ...term, entity: 'link', key: 'run' } : term;
};

const checkedPrompt = (term: Comparison): Comparison => {
  const { comparator, value } = term;
  if (comparator !== '=') {
    throw invalid(
      `Invalid comparator '${comparator}' for prompts filter. Only '=' is supported with format: prompt = "name/version"`,
    );
  }
  if (typeof value !== 'string' || value.split('/').length !== 2)
    throw invalid(`Invalid prompts filter value '${String(value)}'. Expected format: prompt = "name/version"`);
  return { ...term, entity: 'link' };
};

/** What MLflow looks for in the text of its rows. Here spans are stored by digest. */
const notIndexed = (what: string) =>
  invalid(`${what} cannot be searched: spans are kept as they came, and a search knows their name, type and status.`);

const checkedAttribute = (term: Comparison): Comparison => {
  const key = ALIASES[term.key as keyof typeof ALIASES] ?? term.key;
  switch (key) {
    case 'name':
      return checkedTag({ ...term, entity: 'tag', key: TRACE_NAME });
    case 'run_id':
      return checkedMetadata({ ...term, entity: 'metadata', key: SOURCE_RUN });
    case 'prompt':
      return checkedPrompt(term);
    case 'text':
      if (!['LIKE', 'ILIKE'].includes(term.comparator))
        throw invalid(`span.content comparator '${term.comparator}' not one of '${list(['LIKE', 'ILIKE'])}'`);
      throw notIndexed('trace.text');
  }
  if (NUMBERS.includes(key)) {
    if (isList(term.value)) {
      throw invalid(
        `Only attributes in ${list(['name', 'status', 'request_id', 'run_id', 'client_request_id'])} supports comparison with a list of quoted string values.`,
      );
    }
    refuseComparator(term, NUMERIC);
    return { ...term, key, value: numeric(term.value, `numeric attribute: ${term.key}`) };
  }
  if (!TEXTS.includes(key)) {
    const valid = list([...TEXTS, ...NUMBERS, ...Object.keys(ALIASES), ...OTHERS]);
    throw invalid(`Invalid attribute key '${term.key}' specified. Valid keys are '${valid}'`);
  }
  if (typeof term.value === 'number') {
    throw invalid(
      `Only the '${list([...NUMBERS, ...Object.keys(ALIASES)])}' attributes support comparison with numeric values.`,
    );
  }
  refuseComparator(term, TEXT_OR_LIST);
  return term;
};

const checkedSpan = (term: Comparison): Comparison => {
  const { key, comparator } = term;
  const isAttribute = key.startsWith('attributes.');
  if (!isAttribute && !['name', 'type', 'status'].includes(key)) {
    throw invalid(
      `Invalid span attribute '${key}'. Supported attributes: name, status, type, attributes.<attribute_name>.`,
    );
  }
  requireText('span', term);
  if (!TEXT_OR_LIST.includes(comparator))
    throw invalid(`span.${key} comparator '${comparator}' not one of '${list(TEXT_OR_LIST)}'`);
  if (isAttribute) throw notIndexed(`span.${key}`);
  return term;
};

const checkedAssessment = (term: Comparison): Comparison => {
  const { entity, key, comparator, value } = term;
  if (isNullCheck(term)) return term;
  const isOrdering = ORDERING.includes(comparator);
  const shown = Array.isArray(value) ? `(${value.map((item) => `'${item}'`).join(', ')})` : String(value);
  if (isOrdering && typeof value !== 'number') {
    throw invalid(`Expected a numeric value for ${entity} when using comparator '${comparator}'. Got value '${shown}'`);
  }
  if (!isOrdering && typeof value !== 'string')
    throw invalid(`Expected a quoted string value for ${entity} (e.g. 'my-value'). Got value ${shown}`);
  if (!isOrdering && !TEXT.includes(comparator))
    throw invalid(`assessment.${key} comparator '${comparator}' not one of '${list([...TEXT_OR_NULL, ...ORDERING])}'`);
  return term;
};

const checkedIssue = (term: Comparison): Comparison => {
  const { key, comparator } = term;
  if (key !== 'id') throw invalid(`Invalid issue attribute '${key}'. Supported attributes: id`);
  requireText('issue', term);
  if (comparator !== '=') throw invalid(`issue.${key} comparator '${comparator}' not one of '${list(['='])}'`);
  return term;
};

const check = (term: Comparison): Comparison => {
  switch (term.entity) {
    case 'tag':
      return checkedTag(term);
    case 'metadata':
      return checkedMetadata(term);
    case 'span':
      return checkedSpan(term);
    case 'feedback':
    case 'expectation':
      return checkedAssessment(term);
    case 'issue':
      return checkedIssue(term);
    default:
      return checkedAttribute(term);
  }
};

/** Grammar of a filter on traces. @source MLflow 3.17, mlflow/utils/search_utils.py, `SearchTraceUtils` */
export const TRACE_FILTER: Grammar = {
  entities: {
    attribute: 'attribute',
    attributes: 'attribute',
    trace: 'attribute',
    tag: 'tag',
    tags: 'tag',
    metadata: 'metadata',
    request_metadata: 'metadata',
    span: 'span',
    feedback: 'feedback',
    expectation: 'expectation',
    issue: 'issue',
  },
  stringAttributes: TEXTS,
  numericAttributes: [...NUMBERS, ...Object.keys(ALIASES)],
  listAttributes: TEXTS,
  aliases: ALIASES,
  search: 'traces',
  check,
};
