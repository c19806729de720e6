import { z } from 'zod';
import { gathered, inBatches, inOrder } from './in-order.js';
import { type MlflowServer, Refused } from './mlflow-server.js';
import {
  type Experiment,
  experiment,
  int64,
  type LoggedModel,
  loggedModel,
  type Metric,
  metric,
  type RegisteredModel,
  registeredModel,
  type Run,
  run,
  type Version,
  version,
} from './mlflow-shapes.js';

const files = z.object({
  files: z
    .array(z.object({ path: z.string(), is_dir: z.boolean().default(false), file_size: int64.optional() }))
    .default([]),
});

/** Points by run and metric. */
export type Histories = ReadonlyMap<string, readonly Metric[]>;
const historyKey = (runId: string, key: string): string => `${runId} ${key}`;

export interface File {
  /** Below the root of its run or logged model. */
  readonly path: string;
  readonly sizeBytes: number;
}

/** A run, or a logged model of MLflow 3. */
export type Owner = { readonly runId: string } | { readonly loggedModelId: string };

/** MLflow's own filter: without it a search finds no prompt, with it nothing else. */
export const PROMPT_TAG = 'mlflow.prompt.is_prompt';
const PROMPTS = `tags.\`${PROMPT_TAG}\` = 'true'`;

/** Runs with their params and tags: some kilobytes each. */
const RUNS_A_PAGE = 500;
/** MLflow looks for the runs of a list of experiments in one statement. */
const EXPERIMENTS_A_SEARCH = 50;
/** Points of one metric. A page of MLflow's is sorted anew each time, so few large ones. */
const POINTS_A_PAGE = 25_000;
/** Requests that are prepared at once; the server takes its turns. */
export const REQUESTS_AT_ONCE = 8;
/** Of one answer about several runs. @source MLflow 3.18, `get_metric_history_bulk_handler` */
const BULK_POINTS = 25_000;
export const BULK_RUNS = 100;
/** Points that are held for the runs that are read together: some tens of megabytes. */
const POINTS_HELD = 300_000;

const next = { next_page_token: z.string().optional() };

/** What an MLflow server holds, page by page. Anything of 2.0 on will do. */
export class MlflowRegistry {
  constructor(
    readonly server: MlflowServer,
    /** Of `/version`: what came with 3 is asked for only there. */
    private readonly majorVersion: number,
  ) {}

  /** Deleted ones too, oldest first. */
  async experiments(): Promise<readonly Experiment[]> {
    const request = { view_type: 'ALL', max_results: 1000, order_by: ['creation_time ASC'] };
    const pages = this.#pages('/api/2.0/mlflow/experiments/search', request, 'experiments', experiment);
    return (await gathered(pages)).flat();
  }

  /** Deleted ones too, oldest first, by pages. New ones come behind, so they move no page. */
  async *runs(experimentIds: readonly string[]): AsyncGenerator<readonly Run[]> {
    const order = { run_view_type: 'ALL', max_results: RUNS_A_PAGE, order_by: ['attributes.start_time ASC'] };
    for (const experiment_ids of inBatches(experimentIds, EXPERIMENTS_A_SEARCH))
      yield* this.#pages('/api/2.0/mlflow/runs/search', { experiment_ids, ...order }, 'runs', run);
  }

  /** A run of a search with all that it has: the search of MLflow 3 leaves out the models that a run read and wrote. */
  async whole(found: Run): Promise<Run> {
    if (this.majorVersion < 3) return found;
    const { run_id } = found.info;
    return (await this.server.get('/api/2.0/mlflow/runs/get', { run_id }, z.object({ run }))).run;
  }

  /**
   * The points of up to {@link BULK_RUNS} runs, one request a metric: one for each run costs a server far more. Metrics of
   * which an answer does not hold all points are left to {@link points}.
   */
  async histories(runs: readonly Run[]): Promise<Histories> {
    const runsOf = new Map<string, string[]>();
    for (const { info, data } of runs)
      for (const { key } of data.metrics) runsOf.set(key, [...(runsOf.get(key) ?? []), info.run_id]);
    const shared = [...runsOf].filter(([, ids]) => ids.length > 1);
    const found = new Map<string, Metric[]>();
    let held = 0;
    for await (const { key, ids, points } of inOrder(shared, REQUESTS_AT_ONCE, ([metric, ids]) =>
      this.#bulk(metric, ids),
    )) {
      if (points === undefined) continue;
      for (const id of ids) found.set(historyKey(id, key), []);
      for (const { run_id, ...point } of points) found.get(historyKey(run_id, key))?.push(point);
      held += points.length;
      if (held > POINTS_HELD) break;
    }
    return found;
  }

  /** `points` undefined: there are more than one answer holds, or the server has no such call. */
  async #bulk(key: string, ids: readonly string[]) {
    const query = { run_id: ids, metric_key: key, max_results: BULK_POINTS };
    const answer = z.object({ metrics: z.array(metric.extend({ run_id: z.string() })).default([]) });
    try {
      const { metrics } = await this.server.get('/ajax-api/2.0/mlflow/metrics/get-history-bulk', query, answer);
      return { key, ids, points: metrics.length < BULK_POINTS ? metrics : undefined };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { key, ids, points: undefined };
    }
  }

  /** All points of the metrics of a run, metric by metric, each oldest first. @param known read already */
  async *points({ info, data }: Run, known: Histories): AsyncGenerator<readonly Metric[]> {
    const keys = data.metrics.map(({ key }) => key).sort();
    const page = (metric_key: string, page_token?: string) =>
      this.server.get(
        '/api/2.0/mlflow/metrics/get-history',
        { run_id: info.run_id, metric_key, max_results: POINTS_A_PAGE, page_token },
        z.object({ metrics: z.array(metric).default([]), ...next }),
      );
    const firsts = inOrder(keys, REQUESTS_AT_ONCE, async (key) => {
      const metrics = known.get(historyKey(info.run_id, key));
      return { key, first: metrics ? { metrics, next_page_token: undefined } : await page(key) };
    });
    for await (const { key, first } of firsts) {
      yield first.metrics;
      for (let token = first.next_page_token; token;) {
        const more = await page(key, token);
        yield more.metrics;
        token = more.next_page_token;
      }
    }
  }

  /** Of MLflow 3; deleted ones are told by no call. */
  async *loggedModels(experimentIds: readonly string[]): AsyncGenerator<readonly LoggedModel[]> {
    if (this.majorVersion < 3) return;
    const order = { max_results: RUNS_A_PAGE, order_by: [{ field_name: 'creation_timestamp', ascending: true }] };
    for (const experiment_ids of inBatches(experimentIds, EXPERIMENTS_A_SEARCH)) {
      const request = { experiment_ids, ...order };
      yield* this.#pages('/api/2.0/mlflow/logged-models/search', request, 'models', loggedModel);
    }
  }

  /** Models and prompts, by name. */
  async *models(): AsyncGenerator<readonly RegisteredModel[]> {
    yield* this.#both('/api/2.0/mlflow/registered-models/search', 1000, 'registered_models', registeredModel);
  }

  /** Versions of all models and prompts, in no order. */
  async *versions(): AsyncGenerator<readonly Version[]> {
    yield* this.#both('/api/2.0/mlflow/model-versions/search', 10_000, 'model_versions', version);
  }

  /** Where the files of a version lie whose source names another version. */
  async location({ name, version: number }: Version): Promise<string> {
    const query = { name, version: number };
    const answer = z.object({ artifact_uri: z.string() });
    return (await this.server.get('/api/2.0/mlflow/model-versions/get-download-uri', query, answer)).artifact_uri;
  }

  /** Files of a run or logged model, folder by folder. */
  async *files(owner: Owner, folder = ''): AsyncGenerator<File> {
    const { files: found } = await ('runId' in owner
      ? this.server.get('/api/2.0/mlflow/artifacts/list', { run_id: owner.runId, path: folder || undefined }, files)
      : this.server.get(
          `/api/2.0/mlflow/logged-models/${owner.loggedModelId}/artifacts/directories`,
          { artifact_directory_path: folder || undefined },
          files,
        ));
    for (const { path, is_dir, file_size = 0 } of found) {
      if (is_dir) yield* this.files(owner, path);
      else yield { path, sizeBytes: file_size };
    }
  }

  async *#both<Item>(
    path: string,
    max_results: number,
    field: string,
    item: z.ZodType<Item>,
  ): AsyncGenerator<readonly Item[]> {
    const order_by = 'name ASC';
    for (const filter of [undefined, PROMPTS]) {
      let page_token: string | undefined;
      do {
        const query = { max_results, filter, order_by, page_token };
        const page = await this.server.get(path, query, pageOf(field, item));
        yield page.items;
        page_token = page.next_page_token;
      } while (page_token);
    }
  }

  async *#pages<Item>(
    path: string,
    request: object,
    field: string,
    item: z.ZodType<Item>,
  ): AsyncGenerator<readonly Item[]> {
    let page_token: string | undefined;
    do {
      const page = await this.server.post(path, { ...request, ...(page_token && { page_token }) }, pageOf(field, item));
      yield page.items;
      page_token = page.next_page_token;
    } while (page_token);
  }
}

const pageOf = <Item>(field: string, item: z.ZodType<Item>) =>
  z.looseObject({ ...next, [field]: z.array(item).default([]) }).transform((page) => ({
    items: page[field] as Item[],
    next_page_token: page['next_page_token'] as string | undefined,
  }));

/**
 * Opens the registry that a server holds.
 *
 * @throws Refused for a server that is none of MLflow's, or whose sign-in is missing; ServerGone for nothing that answers.
 */
export const openRegistry = async (server: MlflowServer): Promise<MlflowRegistry> => {
  const said = (await server.text('/version')).trim();
  const [, major] = /^(\d+)\.\d+/.exec(said) ?? [];
  if (major === undefined || Number(major) < 2) {
    const shown = said.slice(0, 80).replace(/\s+/g, ' ');
    throw new Refused(
      200,
      undefined,
      `${server.uri} is no MLflow server of 2.0 or newer: /version says ${JSON.stringify(shown)}`,
    );
  }
  return new MlflowRegistry(server, Number(major));
};
