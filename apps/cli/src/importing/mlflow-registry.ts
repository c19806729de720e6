import { z } from 'zod';
import { gathered, inOrder } from './in-order.js';
import { type MlflowServer, Refused } from './mlflow-server.js';

// What MLflow answers, as far as it is read. Fields that an older server does not know are absent.
// Numbers of 64 bits are JSON numbers, or decimal text as protobuf writes them.
const int64 = z.union([
  z.number(),
  z
    .string()
    .regex(/^-?\d+$/)
    .transform(Number),
]);
const double = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const pair = z.object({ key: z.string(), value: z.string().default('') });
const pairs = z.array(pair).default([]);
export type Pair = z.output<typeof pair>;

const experiment = z.object({
  experiment_id: z.string(),
  name: z.string(),
  artifact_location: z.string().default(''),
  lifecycle_stage: z.string(),
  creation_time: int64.optional(),
  last_update_time: int64.optional(),
  tags: pairs,
});
export type Experiment = z.output<typeof experiment>;

const metric = z.object({
  key: z.string(),
  value: double,
  timestamp: int64.default(0),
  step: int64.default(0),
  model_id: z.string().optional(),
  dataset_name: z.string().optional(),
  dataset_digest: z.string().optional(),
});
export type Metric = z.output<typeof metric>;

const dataset = z.object({
  tags: pairs,
  dataset: z.object({
    name: z.string(),
    digest: z.string(),
    source_type: z.string().default(''),
    source: z.string().default(''),
    schema: z.string().optional(),
    profile: z.string().optional(),
  }),
});

const run = z.object({
  info: z.object({
    run_id: z.string(),
    experiment_id: z.string(),
    run_name: z.string().default(''),
    user_id: z.string().default(''),
    status: z.enum(['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED']).default('RUNNING'),
    start_time: int64.default(0),
    end_time: int64.optional(),
    artifact_uri: z.string().default(''),
    lifecycle_stage: z.string(),
  }),
  data: z
    .object({ metrics: z.array(z.object({ key: z.string() })).default([]), params: pairs, tags: pairs })
    .default({ metrics: [], params: [], tags: [] }),
  inputs: z
    .object({
      dataset_inputs: z.array(dataset).default([]),
      model_inputs: z.array(z.object({ model_id: z.string() })).default([]),
    })
    .default({ dataset_inputs: [], model_inputs: [] }),
  outputs: z
    .object({ model_outputs: z.array(z.object({ model_id: z.string(), step: int64.default(0) })).default([]) })
    .default({ model_outputs: [] }),
});
export type Run = z.output<typeof run>;

const loggedModel = z.object({
  info: z.object({
    model_id: z.string(),
    experiment_id: z.string(),
    name: z.string().default(''),
    creation_timestamp_ms: int64,
    last_updated_timestamp_ms: int64,
    artifact_uri: z.string().default(''),
    status: z.string(),
    model_type: z.string().default(''),
    source_run_id: z.string().default(''),
    tags: pairs,
  }),
  data: z
    .object({ params: pairs, metrics: z.array(metric.extend({ run_id: z.string().default('') })).default([]) })
    .default({ params: [], metrics: [] }),
});
export type LoggedModel = z.output<typeof loggedModel>;

const registeredModel = z.object({
  name: z.string(),
  creation_timestamp: int64,
  last_updated_timestamp: int64,
  description: z.string().optional(),
  tags: pairs,
  aliases: z.array(z.object({ alias: z.string(), version: z.coerce.number() })).default([]),
});
export type RegisteredModel = z.output<typeof registeredModel>;

const version = z.object({
  name: z.string(),
  version: z.coerce.number(),
  creation_timestamp: int64,
  last_updated_timestamp: int64,
  current_stage: z.string().default('None'),
  description: z.string().default(''),
  source: z.string().default(''),
  run_id: z.string().default(''),
  run_link: z.string().default(''),
  model_id: z.string().default(''),
  tags: pairs,
});
export type Version = z.output<typeof version>;

const files = z.object({
  files: z
    .array(z.object({ path: z.string(), is_dir: z.boolean().default(false), file_size: int64.optional() }))
    .default([]),
});

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
/** Requests under way at once: a server on two cores answers no faster with more. */
export const REQUESTS_AT_ONCE = 8;

const next = { next_page_token: z.string().optional() };

const chunks = <Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));

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
    for (const experiment_ids of chunks(experimentIds, EXPERIMENTS_A_SEARCH))
      yield* this.#pages('/api/2.0/mlflow/runs/search', { experiment_ids, ...order }, 'runs', run);
  }

  /** A run of a search with all that it has: the search of MLflow 3 leaves out the models that a run read and wrote. */
  async whole(found: Run): Promise<Run> {
    if (this.majorVersion < 3) return found;
    const { run_id } = found.info;
    return (await this.server.get('/api/2.0/mlflow/runs/get', { run_id }, z.object({ run }))).run;
  }

  /** All points of the metrics of a run, metric by metric, each oldest first. */
  async *points({ info, data }: Run): AsyncGenerator<readonly Metric[]> {
    const keys = data.metrics.map(({ key }) => key).sort();
    const page = (metric_key: string, page_token?: string) =>
      this.server.get(
        '/api/2.0/mlflow/metrics/get-history',
        { run_id: info.run_id, metric_key, max_results: POINTS_A_PAGE, page_token },
        z.object({ metrics: z.array(metric).default([]), ...next }),
      );
    const firsts = inOrder(keys, REQUESTS_AT_ONCE, async (key) => ({ key, first: await page(key) }));
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
    for (const experiment_ids of chunks(experimentIds, EXPERIMENTS_A_SEARCH)) {
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
