import { z } from 'zod';
import { type MlflowServer, Refused } from './mlflow-server.js';

/** Traces can be millions: above this many it is enough to know that there are more. */
const MAX_COUNTED = 10_000;

interface Listing {
  readonly what: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly field: string;
  readonly request: (experimentIds: readonly string[]) => readonly Readonly<Record<string, unknown>>[];
}

/** What an MLflow server may hold that Kontor does not take over, and how it is listed. */
const LISTINGS: readonly Listing[] = [
  {
    what: 'traces',
    method: 'POST',
    path: '/api/3.0/mlflow/traces/search',
    field: 'traces',
    request: (ids) =>
      ids.map((experiment_id) => ({
        locations: [{ type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id } }],
        max_results: 500,
      })),
  },
  {
    what: 'evaluation datasets',
    method: 'POST',
    path: '/api/3.0/mlflow/datasets/search',
    field: 'datasets',
    request: () => [{ max_results: 1000 }],
  },
  {
    what: 'scorers',
    method: 'GET',
    path: '/api/3.0/mlflow/scorers/list',
    field: 'scorers',
    request: (ids) => ids.map((experiment_id) => ({ experiment_id })),
  },
  {
    what: 'webhooks',
    method: 'GET',
    path: '/api/2.0/mlflow/webhooks',
    field: 'webhooks',
    request: () => [{ max_results: 100 }],
  },
];

const countOf = async (server: MlflowServer, listing: Listing, experimentIds: readonly string[]): Promise<number> => {
  const { method, path, field } = listing;
  const page = z.looseObject({ [field]: z.array(z.unknown()).default([]), next_page_token: z.string().optional() });
  let count = 0;
  for (const request of listing.request(experimentIds)) {
    let token: string | undefined;
    do {
      const asked = { ...request, ...(token && { page_token: token }) };
      const answer = await (method === 'POST'
        ? server.post(path, asked, page)
        : server.get(path, asked as Readonly<Record<string, string>>, page));
      count += (answer[field] as readonly unknown[]).length;
      token = answer.next_page_token as string | undefined;
    } while (token && count < MAX_COUNTED);
    if (count >= MAX_COUNTED) break;
  }
  return count;
};

/** `12 traces, 2 webhooks`: what stays behind. Empty if nothing does; what the server cannot list is left out. */
export const notImported = async (
  server: MlflowServer,
  experimentIds: readonly string[],
): Promise<readonly string[]> => {
  const found: string[] = [];
  for (const listing of LISTINGS) {
    try {
      const count = await countOf(server, listing, experimentIds);
      if (count > 0) found.push(`${count}${count >= MAX_COUNTED ? ' or more' : ''} ${listing.what}`);
    } catch (error) {
      // Older servers do not know the call, and others refuse it: then nobody can tell.
      if (!(error instanceof Refused)) throw error;
    }
  }
  return found;
};
