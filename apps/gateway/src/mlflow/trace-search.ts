import pg from 'pg';
import { traceEntity, traceSpansEntity } from '../registry/registry.entities.js';
import type { TraceRow } from '../registry/traces.projection.js';
import type { MlflowCall } from './call.js';
import { invalid } from './errors.js';
import { checkedExperimentId } from './experiments.js';
import { type Comparison, parseFilter } from './filter.js';
import { asciiJson } from './json.js';
import { int64, repeated, string } from './message.js';
import { writePageToken } from './page-token.js';
import type { Conditions, RowQuery } from './row-query.js';
import { addFilter, comparison, orderBySql, type SearchColumns } from './search.js';
import { SOURCE_RUN, TRACE_FILTER, TRACE_NAME } from './trace-filter.js';

const DEFAULT_PAGE = 100n;
const MAX_PAGE = 500n;

const valueIn = (list: string, key: string): string =>
  `(SELECT p->>'value' FROM json_array_elements(body->'${list}') p WHERE p->>'key' = '${key}' LIMIT 1)`;

const EXECUTION_TIME = `(body->>'executionDurationMs')::bigint`;

/** JSON's numbers that a double holds: what an assessment compares by size. 255 is the most that PostgreSQL repeats. */
const IS_NUMBER = `a->>'value' ~ '^-?[0-9]{1,255}(\\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$'`;

const assessed = (holds: string): string =>
  `EXISTS (SELECT FROM json_array_elements(body->'assessments') a WHERE ${holds})`;

/** Whether the row has a valid assessment of this name and kind, with such a value. Texts may be compared as JSON, or bare. */
const byAssessment = (term: Comparison, conditions: Conditions): string => {
  const { entity, key, comparator, value } = term;
  const isOne = `a->>'kind' = '${entity}' AND a->>'name' = ${conditions.bind(key)} AND (a->>'valid')::boolean`;
  switch (comparator) {
    case 'IS NULL':
      return `NOT ${assessed(isOne)}`;
    case 'IS NOT NULL':
      return assessed(isOne);
    case '=':
    case '!=': {
      const texts = conditions.bind([String(value), asciiJson(String(value))]);
      return assessed(`${isOne} AND ${comparator === '=' ? '' : 'NOT '}(a->>'value' = ANY (${texts}))`);
    }
    default: {
      const isNumeric = typeof value === 'number';
      const left = isNumeric ? `CASE WHEN ${IS_NUMBER} THEN (a->>'value')::double precision END` : `a->>'value'`;
      return assessed(`${isOne} AND ${comparison(left, term, conditions)}`);
    }
  }
};

const byLink = ({ key, value }: Comparison, conditions: Conditions): string => {
  const bound = conditions.bind(value);
  const linked = (list: string) =>
    `EXISTS (SELECT FROM json_array_elements_text(body->'${list}') l WHERE l = ${bound})`;
  return key === 'run' ? `${valueIn('metadata', SOURCE_RUN)} = ${bound} OR ${linked('runIds')}` : linked('prompts');
};

const COLUMNS: SearchColumns = {
  ordersByKeys: true,
  attributes: {
    experiment_id: '"experimentId"::bigint',
    timestamp_ms: '"requestTimeMs"',
    execution_time_ms: { body: EXECUTION_TIME },
    end_time_ms: { body: `("requestTimeMs" + coalesce(${EXECUTION_TIME}, 0))` },
    status: { body: `body->>'state'` },
    request_id: { body: `body->>'traceId'` },
    client_request_id: { body: `body->>'clientRequestId'` },
    name: { body: valueIn('tags', TRACE_NAME) },
    run_id: { body: valueIn('metadata', SOURCE_RUN) },
  },
  terms: {
    feedback: byAssessment,
    expectation: byAssessment,
    issue: ({ value }, conditions) => assessed(`a->>'kind' = 'issue' AND a->>'name' = ${conditions.bind(value)}`),
    link: byLink,
  },
};

/** All terms about spans are about one span. */
const addSpans = (rows: RowQuery, terms: readonly Comparison[], conditions: Conditions): void => {
  if (terms.length === 0) return;
  const holds = terms.map((term) => `(${comparison(`s->>'${term.key}'`, term, conditions)})`).join(' AND ');
  conditions.add(
    `EXISTS (SELECT FROM ${rows.relation(traceSpansEntity, 'b')}, json_array_elements(b.body->'spans') s ` +
      `WHERE b."traceId" = traces.body->>'traceId' AND ${holds})`,
  );
};

/** Adds what a filter on traces asks for. */
export const addTraceFilter = (rows: RowQuery, terms: readonly Comparison[], conditions: Conditions): void => {
  const spans = terms.filter(({ entity }) => entity === 'span');
  addFilter(
    COLUMNS,
    terms.filter((term) => !spans.includes(term)),
    conditions,
  );
  addSpans(rows, spans, conditions);
};

/** SQLSTATE `invalid_regular_expression`: of a text after RLIKE. */
const INVALID_REGULAR_EXPRESSION = '2201B';

/** What the database answers to a statement with this filter in it. @throws MlflowError if it refuses the text after an RLIKE. */
export const filteredBy = async <Answer>(filter: string, answer: Promise<Answer>): Promise<Answer> => {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === INVALID_REGULAR_EXPRESSION)
      throw invalid(`Invalid regular expression in filter string: ${JSON.stringify(filter)}`);
    throw error;
  }
};

export const searchTracesFields = {
  filter: string,
  max_results: int64,
  order_by: repeated(string),
  page_token: string,
} as const;

interface Request {
  readonly filter: string | undefined;
  readonly max_results: bigint | undefined;
  readonly order_by: readonly string[];
  readonly page_token: string | undefined;
}

/** A page of traces of some experiments, and the token of the next one. @throws MlflowError in MLflow's words. */
export const searchTraces = async (
  call: MlflowCall,
  experiments: readonly string[],
  { filter = '', max_results = DEFAULT_PAGE, order_by, page_token }: Request,
): Promise<{ readonly found: readonly TraceRow[]; readonly next?: string }> => {
  if (max_results < 1n)
    throw invalid(`Invalid value ${max_results} for parameter 'max_results' supplied. It must be a positive integer`);
  if (max_results > MAX_PAGE) {
    throw invalid(
      `Invalid value ${max_results} for parameter 'max_results' supplied:  Hint: Value was of type 'int'. See the API docs for more information about request parameters.`,
    );
  }
  const terms = parseFilter(TRACE_FILTER, filter);
  const experimentIds = [...new Set(experiments.map(checkedExperimentId))];
  const listing = ['traces', experimentIds, filter, order_by];
  const token = call.readPageToken(listing, page_token);
  const rows = token ? call.rowsAt(token.position) : await call.rows();
  const conditions = rows.conditions().add('NOT deleted');
  addTraceFilter(rows, terms, conditions);
  const ties = '"requestTimeMs" DESC, key ASC';
  const orderBy = orderBySql(COLUMNS, order_by, { grammar: TRACE_FILTER, ties, conditions });
  const each = { column: 'experimentId', values: experimentIds };
  const offset = token?.offset ?? 0;
  const size = Number(max_results);
  const found = await filteredBy(
    filter,
    rows.list(traceEntity, conditions, { orderBy, limit: size + 1, offset, each }),
  );
  return {
    found: found.slice(0, size),
    ...(found.length > size && {
      next: writePageToken(listing, { position: rows.position, offset: offset + size }),
    }),
  };
};
