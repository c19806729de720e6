import { registry } from '@kontor/domain/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

let gateway: TestGateway;

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
const post = async (path: string, body: object): Promise<any> => {
  const response = await fetch(`${gateway.server.url}/api/2.0/mlflow/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, ...((await response.json()) as object) };
};
const register = (name: string, source: string, of: object = {}) =>
  post('model-versions/create', { name, source, ...of });

beforeAll(async () => {
  gateway = await startTestGateway({ services: [registry] });
  for (const name of ['scoring', 'pricing']) await post('registered-models/create', { name });
});
afterAll(() => gateway.stop());

describe('the source of a version', () => {
  const RUN_SENTENCE = 'The run_id request parameter must identify the resource that contains the source.';
  const sentence = (field: string) =>
    `To use a local path as a model version source, the ${field} request parameter has to be specified and the local path has to be contained within the artifact directory of the run specified by the ${field}.`;

  it.each(['file:///models', 'file:/models', '/models'])(
    'may be a local path below what was logged to %s, and no other one',
    async (artifact_location) => {
      const { experiment_id } = await post('experiments/create', { name: artifact_location, artifact_location });
      const { run_id, artifact_uri } = (await post('runs/create', { experiment_id })).run.info;
      const { model } = await post('logged-models', { experiment_id });
      const { model_id, artifact_uri: model_uri } = model.info;
      for (const source of [artifact_uri, `${artifact_uri}/model`, `${artifact_uri}/./model/`])
        expect(await register('scoring', source, { run_id }), source).toMatchObject({
          status: 200,
          model_version: { source, run_id },
        });
      expect(await register('scoring', model_uri, { model_id })).toMatchObject({ status: 200 });

      const path = (uri: string) => uri.replace(/^file:(\/\/)?/, '');
      for (const [source, of, shown, reason] of [
        [artifact_uri, {}, artifact_uri, sentence('run_id')],
        [`${artifact_uri}-2`, { run_id }, `${path(artifact_uri)}-2`, sentence('run_id')],
        ['/etc', { run_id }, '/etc', sentence('run_id')],
        [artifact_uri, { run_id: '0'.repeat(32) }, artifact_uri, RUN_SENTENCE],
        [artifact_uri, { run_id, model_id }, path(artifact_uri), sentence('model_id')],
      ])
        expect(await register('scoring', source, of), source).toMatchObject({
          status: 400,
          error_code: 'INVALID_PARAMETER_VALUE',
          message: `Invalid model version source: '${shown}'. ${reason}`,
        });
      for (const source of [`file://host${path(artifact_uri)}`, `${artifact_uri}/../x`])
        expect(await register('scoring', source, { run_id }), source).toMatchObject({ status: 400 });
    },
  );

  it('may be a run that is not here, whose files are not here either', async () => {
    const of = { run_id: 'elsewhere' };
    const { status, model_version } = await register('scoring', 'runs:/elsewhere/model', of);
    expect({ status, model_version }).toMatchObject({
      status: 200,
      model_version: { source: 'runs:/elsewhere/model', run_id: 'elsewhere' },
    });
    const found = `${gateway.server.url}/api/2.0/mlflow/model-versions/get-download-uri?name=scoring&version=${model_version.version}`;
    expect(await (await fetch(found)).json()).toEqual({ artifact_uri: 'runs:/elsewhere/model' });
    for (const run_id of ['elsewhere', '0'.repeat(32)])
      expect(await register('scoring', `mlflow-artifacts:/1/${run_id}/artifacts/model`, { run_id })).toMatchObject({
        status: 400,
        message: expect.stringContaining(RUN_SENTENCE) as unknown,
      });
  });

  it('is refused for the host that it names before anything else of it is read', async () => {
    expect(await register('scoring', 'ftp://host/models/../x')).toMatchObject({
      status: 400,
      message: expect.stringContaining("'source' cannot use the 'ftp' scheme") as unknown,
    });
  });

  it('names the version in a tag of the logged model that it is made of, as long as it exists', async () => {
    const { experiment_id } = await post('experiments/create', { name: 'tagged' });
    const tags = [{ key: 'team', value: 'a' }];
    const { model } = await post('logged-models', { experiment_id, tags });
    const { model_id } = model.info;
    const shown = async () => {
      const { models } = await post('logged-models/search', { experiment_ids: [experiment_id] });
      return (models as { info: { tags: object } }[])[0]?.info.tags;
    };
    expect(await shown()).toEqual(tags);
    await register('scoring', `models:/${model_id}`, { model_id });
    const { version } = (await register('scoring', `models:/${model_id}`, { model_id })).model_version;
    await register('pricing', `models:/${model_id}`, { model_id });
    const last = Number(version);
    const named = (...versions: readonly (readonly [string, number])[]) => ({
      key: 'mlflow.modelVersions',
      value: `[${versions.map(([name, number]) => `{"name": "${name}", "version": ${number}}`).join(', ')}]`,
    });
    expect(await shown()).toEqual([...tags, named(['scoring', last - 1], ['scoring', last], ['pricing', 1])]);
    await fetch(`${gateway.server.url}/api/2.0/mlflow/model-versions/delete`, {
      method: 'DELETE',
      body: JSON.stringify({ name: 'scoring', version }),
    });
    expect(await shown()).toEqual([...tags, named(['scoring', last - 1], ['pricing', 1])]);
  });
});
