// Every search against a plain evaluator over objects: what PostgreSQL finds is what the grammar says, in the order it says.
import { registry } from '@kontor/domain/registry';
import { prng } from '@kontor/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';
import { EXPERIMENT_FILTER, type Grammar, MODEL_FILTER, RUN_FILTER, VERSION_FILTER } from './filter.js';
import { LOGGED_MODEL_FILTER } from './logged-model-search.js';
import {
  type Clause,
  filterText,
  fits,
  inOrder,
  KEYS,
  keyText,
  NUMBERS,
  oneOf,
  randomTerm,
  type Searched,
  someOf,
  TEXTS,
} from './naive-search.fixture.js';

const SEED = Number(process.env['KONTOR_SEED'] ?? Date.now() % 1_000_000);
/** Of each kind of object. */
const OBJECTS = 40;
/** Of each search. */
const QUESTIONS = 100;

let gateway: TestGateway;
let rankOf: (text: string) => number;
const chance = prng(SEED);

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
type Answer = any;

const call = async (method: string, path: string, body: object): Promise<Answer> => {
  const query = new URLSearchParams(
    Object.entries(body).flatMap(([name, value]: [string, unknown]) =>
      [value].flat().map((item): [string, string] => [name, String(item)]),
    ),
  );
  const isGet = method === 'GET';
  const response = await fetch(`${gateway.server.url}/api/2.0/mlflow/${path}${isGet ? `?${query.toString()}` : ''}`, {
    method,
    ...(!isGet && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} ${JSON.stringify(body)} answered ${response.status}: ${text}`);
  return JSON.parse(text);
};

const pairs = (values: Readonly<Record<string, string>>) =>
  Object.entries(values).map(([key, value]) => ({ key, value }));

interface Search {
  readonly grammar: Grammar;
  readonly objects: Searched[];
  /** What may be ordered by, beside the keys of metrics, params and tags. */
  readonly attributes: readonly string[];
  /** What ends every order, and what is the order if none is given. */
  readonly ties: readonly Clause[];
  readonly byDefault: readonly Clause[];
  /** @returns the ids of what is found. */
  readonly ask: (filter: string, order: readonly Clause[], more?: object) => Promise<Answer>;
  readonly idsOf: (answer: Answer) => readonly string[];
}

const by = (key: string, descending = false): Clause => ({ entity: 'attribute', key, descending });
const clauseText = ({ entity, key, descending }: Clause): string =>
  `${entity === 'attribute' ? key : `${entity}s.${keyText(key)}`}${descending ? ' DESC' : ''}`;

const experimentIds: string[] = [];
const searches: Readonly<Record<string, Search>> = {
  runs: {
    grammar: RUN_FILTER,
    objects: [],
    attributes: ['start_time', 'end_time', 'run_name'],
    ties: [by('start_time', true), by('run_id')],
    byDefault: [],
    ask: (filter, order, more) =>
      call('POST', 'runs/search', { experiment_ids: experimentIds, filter, order_by: order.map(clauseText), ...more }),
    idsOf: ({ runs = [] }) => runs.map((run: Answer) => run.info.run_id),
  },
  experiments: {
    grammar: EXPERIMENT_FILTER,
    objects: [],
    attributes: ['name', 'creation_time', 'last_update_time'],
    ties: [by('number', true)],
    byDefault: [by('creation_time', true), by('number')],
    ask: (filter, order, more) =>
      call('POST', 'experiments/search', { max_results: 1000, filter, order_by: order.map(clauseText), ...more }),
    idsOf: ({ experiments = [] }) =>
      experiments.map((experiment: Answer) => experiment.experiment_id).filter((id: string) => id !== '0'),
  },
  'registered models': {
    grammar: MODEL_FILTER,
    objects: [],
    attributes: ['name', 'last_updated_timestamp'],
    ties: [by('name')],
    byDefault: [],
    ask: (filter, order, more) =>
      call('GET', 'registered-models/search', { max_results: 1000, filter, order_by: order.map(clauseText), ...more }),
    idsOf: ({ registered_models = [] }) => registered_models.map((model: Answer) => model.name),
  },
  'model versions': {
    grammar: VERSION_FILTER,
    objects: [],
    attributes: ['name', 'version_number', 'creation_timestamp', 'last_updated_timestamp'],
    ties: [by('name'), by('version_number', true)],
    byDefault: [by('last_updated_timestamp', true), by('name'), by('version_number', true)],
    ask: (filter, order, more) =>
      call('GET', 'model-versions/search', { filter, order_by: order.map(clauseText), ...more }),
    idsOf: ({ model_versions = [] }) => model_versions.map((row: Answer) => `${row.name}/${row.version}`),
  },
  'logged models': {
    grammar: LOGGED_MODEL_FILTER,
    objects: [],
    attributes: ['name', 'model_type', 'creation_timestamp'],
    ties: [by('creation_timestamp', true), by('model_id')],
    byDefault: [],
    ask: (filter, order, more) =>
      call('POST', 'logged-models/search', {
        experiment_ids: experimentIds,
        filter,
        order_by: order.map((clause) => ({
          field_name: clauseText({ ...clause, descending: false }),
          ascending: !clause.descending,
        })),
        max_results: 1000,
        ...more,
      }),
    idsOf: ({ models = [] }) => models.map((model: Answer) => model.info.model_id),
  },
};

const nothing = { metrics: {}, params: {}, tags: {}, datasets: [] };

const prepareExperiment = async (text: string): Promise<void> => {
  const tags = someOf(chance, TEXTS);
  const { experiment_id: id } = await call('POST', 'experiments/create', { name: `e ${text}`, tags: pairs(tags) });
  const { experiment } = await call('GET', 'experiments/get', { experiment_id: id });
  const { name, creation_time, last_update_time } = experiment;
  const attributes = { name, experiment_id: id, number: Number(id), creation_time, last_update_time };
  searches['experiments']?.objects.push({ ...nothing, id, attributes, tags });
};

const prepareRun = async (): Promise<string> => {
  const [metrics, params, tags] = [someOf(chance, NUMBERS), someOf(chance, TEXTS), someOf(chance, TEXTS)];
  const name = oneOf(chance, TEXTS) || 'unnamed';
  const startTime = Math.floor(chance() * 20);
  const experimentId = oneOf(chance, experimentIds.slice(0, 2));
  const { run } = await call('POST', 'runs/create', {
    experiment_id: experimentId,
    run_name: name,
    start_time: startTime,
  });
  const id: string = run.info.run_id;
  const points = Object.entries(metrics).flatMap(([key, value]) => [
    { key, value: String(value), timestamp: 2, step: 2 },
    // Only the latest one counts.
    { key, value: oneOf(chance, NUMBERS.filter(Number.isFinite)), timestamp: 1, step: 1 },
  ]);
  await call('POST', 'runs/log-batch', { run_id: id, metrics: points, params: pairs(params), tags: pairs(tags) });
  const endTime = chance() < 0.5 ? Math.floor(chance() * 20) : undefined;
  if (endTime !== undefined) await call('POST', 'runs/update', { run_id: id, status: 'FINISHED', end_time: endTime });
  const datasets =
    chance() < 0.5 ? [{ name: oneOf(chance, TEXTS) || 'd', digest: 'x', context: oneOf(chance, TEXTS) }] : [];
  await call('POST', 'runs/log-inputs', {
    run_id: id,
    datasets: datasets.map(({ context, ...dataset }) => ({
      dataset: { ...dataset, source_type: 's', source: 's' },
      tags: [{ key: 'mlflow.data.context', value: context }],
    })),
  });
  const attributes = {
    run_id: id,
    run_name: name,
    start_time: startTime,
    end_time: endTime,
    artifact_uri: run.info.artifact_uri,
  };
  searches['runs']?.objects.push({ id, experimentId, attributes, metrics, params, tags, datasets });
  return id;
};

const prepareModel = async (text: string, runIds: readonly string[]): Promise<void> => {
  const tags = someOf(chance, TEXTS);
  const name = `m ${text}`;
  await call('POST', 'registered-models/create', { name, tags: pairs(tags) });
  for (let version = 1; version <= 3; version += 1) {
    const [source, runId] = [`s3://bucket/${oneOf(chance, ['a', 'A', 'é'])}`, oneOf(chance, ['', ...runIds])];
    const ofVersion = someOf(chance, TEXTS);
    const { model_version } = await call('POST', 'model-versions/create', {
      name,
      source,
      run_id: runId,
      tags: pairs(ofVersion),
    });
    const { creation_timestamp, last_updated_timestamp } = model_version;
    const attributes = {
      name,
      run_id: runId,
      source_path: source,
      version_number: version,
      creation_timestamp,
      last_updated_timestamp,
    };
    searches['model versions']?.objects.push({ ...nothing, id: `${name}/${version}`, attributes, tags: ofVersion });
  }
  const { registered_model } = await call('GET', 'registered-models/get', { name });
  const attributes = { name, last_updated_timestamp: registered_model.last_updated_timestamp };
  searches['registered models']?.objects.push({ ...nothing, id: name, attributes, tags });
};

const prepareLoggedModel = async (runIds: readonly string[]): Promise<void> => {
  const [metrics, params, tags] = [someOf(chance, NUMBERS), someOf(chance, TEXTS), someOf(chance, TEXTS)];
  const named = { name: `m ${oneOf(chance, ['a', 'A', 'b c', 'é'])}`, model_type: oneOf(chance, TEXTS) };
  const source_run_id = oneOf(chance, ['', ...runIds]);
  const { model } = await call('POST', 'logged-models', {
    experiment_id: oneOf(chance, experimentIds),
    ...named,
    source_run_id,
    params: pairs(params),
    tags: pairs(tags),
  });
  const { model_id, experiment_id, creation_timestamp_ms: creation_timestamp } = model.info;
  const points = Object.entries(metrics).map(([key, value]) => ({ key, value: String(value), timestamp: 1, model_id }));
  await call('POST', 'runs/log-batch', { run_id: runIds[0], metrics: points });
  const attributes = {
    ...named,
    model_id,
    source_run_id,
    experiment_id,
    creation_timestamp,
    last_updated_timestamp: creation_timestamp,
  };
  searches['logged models']?.objects.push({
    ...{ id: model_id, experimentId: experiment_id },
    ...{ attributes, metrics, params, tags, datasets: [] },
  });
};

beforeAll(async () => {
  console.info(`seed ${SEED} (KONTOR_SEED repeats it)`);
  gateway = await startTestGateway({ services: [registry] });
  for (const text of TEXTS) await prepareExperiment(text);
  experimentIds.push('1', '2', '3');
  // Runs that hold the points of logged models are not among those that are searched.
  const { run } = await call('POST', 'runs/create', { experiment_id: '0' });
  const runIds: string[] = [run.info.run_id];
  for (let made = 0; made < OBJECTS; made += 1) await prepareRun();
  for (const text of TEXTS) await prepareModel(text, runIds);
  for (let made = 0; made < OBJECTS; made += 1) await prepareLoggedModel(runIds);
  // The order of texts is the database's own.
  const texts = Object.values(searches).flatMap(({ objects }) =>
    objects.flatMap(({ attributes, params, tags }) => Object.values({ ...attributes, ...params, ...tags }).map(String)),
  );
  const client = new pg.Client(gateway.pgUrl);
  await client.connect();
  const { rows } = await client.query<{ text: string }>(
    'SELECT text FROM (SELECT DISTINCT unnest($1::text[]) AS text) every ORDER BY text',
    [[...texts, ...TEXTS]],
  );
  await client.end();
  const ranks = new Map(rows.map(({ text }, rank) => [text, rank]));
  rankOf = (text) => ranks.get(text) ?? -1;
});
afterAll(() => gateway.stop());

const randomOrder = ({ grammar, attributes }: Search): readonly Clause[] => {
  const entities = { runs: ['metric', 'param', 'tag'], 'logged models': ['metric'] } as const;
  const keyed = Object.hasOwn(entities, grammar.search) ? entities[grammar.search as keyof typeof entities] : [];
  const clauses = Array.from({ length: Math.floor(chance() * 3) }, (): Clause => {
    const descending = chance() < 0.5;
    return keyed.length > 0 && chance() < 0.6
      ? { entity: oneOf<Clause['entity']>(chance, keyed), key: oneOf(chance, KEYS), descending }
      : { entity: 'attribute', key: oneOf(chance, attributes), descending };
  });
  return [...new Map(clauses.map((clause) => [`${clause.entity}.${clause.key}`, clause])).values()];
};

describe.each(Object.keys(searches))('a search of %s', (name) => {
  const search = searches[name] as Search;
  const { grammar, ask, idsOf } = search;

  it('finds what a plain reading of its filter finds, in the order that it asks for', async () => {
    let found = 0;
    for (let asked = 0; asked < QUESTIONS; asked += 1) {
      const terms = Array.from({ length: Math.floor(chance() * 4) }, () => randomTerm(chance, grammar, search.objects));
      const order = randomOrder(search);
      const experiments = chance() < 0.5 ? experimentIds : [oneOf(chance, experimentIds)];
      const ties = order.length === 0 && search.byDefault.length > 0 ? search.byDefault : search.ties;
      const wanted = inOrder(
        search.objects.filter(
          ({ experimentId, ...object }) =>
            (experimentId === undefined || experiments.includes(experimentId)) && fits(object, terms),
        ),
        [...order, ...ties],
        rankOf,
      ).map(({ id }) => id);
      const filter = filterText(terms);
      const ids: string[] = [];
      const max_results = Math.ceil(OBJECTS / 4 + chance() * OBJECTS);
      for (let page_token = '', isFirst = true; isFirst || page_token !== ''; isFirst = false) {
        const answer = await ask(filter, order, { max_results, page_token, experiment_ids: experiments });
        ids.push(...idsOf(answer));
        page_token = answer.next_page_token ?? '';
      }
      expect(ids, `seed ${SEED}: ${filter} ORDER BY ${order.map(clauseText).join(', ')}`).toEqual(wanted);
      found += wanted.length > 0 && wanted.length < search.objects.length ? 1 : 0;
    }
    // Filters that find all or nothing prove little.
    expect(found).toBeGreaterThan(QUESTIONS / 10);
  });
});

// After all questions: more objects are made here.
describe.each(Object.keys(searches))('the pages of a search of %s', (name) => {
  const search = searches[name] as Search;
  const { ask, idsOf } = search;

  it('show what one page shows, while others are made', async () => {
    const runIds = searches['runs']?.objects.map(({ id }) => id) ?? [];
    const order = search.byDefault.length > 0 ? [] : search.ties;
    const whole = idsOf(await ask('', order));
    const paged: string[] = [];
    let page_token = '';
    for (let page = 0; ; page += 1) {
      const answer = await ask('', order, { max_results: Math.ceil(whole.length / 4) + 1, page_token });
      paged.push(...idsOf(answer));
      page_token = answer.next_page_token ?? '';
      if (page_token === '') break;
      await prepareExperiment(`${name} ${page}`);
      await prepareRun();
      await prepareModel(`${name} ${page}`, runIds.slice(0, 1));
      await prepareLoggedModel(runIds.slice(0, 1));
    }
    expect(paged).toEqual(whole);
    expect(idsOf(await ask('', order)).length).toBeGreaterThan(whole.length);
  });
});
