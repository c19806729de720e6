import type { MlflowCall } from './call.js';
import { invalid } from './errors.js';
import type { Comparison } from './filter.js';
import { int64, repeated, string, wrongValue } from './message.js';
import { writePageToken } from './page-token.js';
import type { RowQuery } from './row-query.js';

/** What makes a registered model a prompt. */
export const PROMPT_TAG = 'mlflow.prompt.is_prompt';

/**
 * Prompts are registered models with a tag of their own. A search shows models, unless it asks for that tag; the terms
 * about it say which of the two, because a model does not carry the tag at all.
 */
export const promptTerms = (
  terms: readonly Comparison[],
): { readonly prompts: boolean; readonly others: readonly Comparison[] } => {
  const about = terms.filter(({ entity, key }) => entity === 'tag' && key === PROMPT_TAG);
  const prompts = about.some(({ comparator, value }) => (comparator === '=' ? value === 'true' : value === 'false'));
  return { prompts, others: terms.filter((term) => !about.includes(term)) };
};

export interface SearchRequest {
  readonly filter: string | undefined;
  readonly max_results: bigint | undefined;
  readonly order_by: readonly string[];
  readonly page_token: string | undefined;
}

/** One page of a search over models or versions; `read` lists rows at the position that all pages of it share. */
export const page = async <Row>(
  kind: string,
  { filter = '', max_results, order_by, page_token }: SearchRequest,
  call: MlflowCall,
  limits: { readonly byDefault: bigint; readonly most: bigint },
  read: (rows: RowQuery, limit: number, offset: number) => Promise<readonly Row[]>,
): Promise<{ readonly rows: RowQuery; readonly found: readonly Row[]; readonly next: object }> => {
  const limit = max_results ?? limits.byDefault;
  if (limit < 1n) throw invalid(`Invalid value for max_results. It must be a positive integer, but got ${limit}`);
  if (limit > limits.most) {
    throw wrongValue('max_results', String(limit));
  }
  const listing = [kind, filter, order_by];
  const token = call.readPageToken(listing, page_token);
  const rows = token ? call.rowsAt(token.position) : await call.rows();
  const offset = token?.offset ?? 0;
  const size = Number(limit);
  const found = await read(rows, size + 1, offset);
  const next =
    found.length > size
      ? { next_page_token: writePageToken(listing, { position: rows.position, offset: offset + size }) }
      : {};
  return { rows, found: found.slice(0, size), next };
};

/** Fields of both searches. */
export const searchFields = {
  filter: string,
  max_results: int64,
  order_by: repeated(string),
  page_token: string,
} as const;
