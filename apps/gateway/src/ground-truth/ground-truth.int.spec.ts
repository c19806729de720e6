import { monitoring } from '@kontor/domain/monitoring';
import { uuidv7 } from '@kontor/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ services: [monitoring] });
  await watch('credit', 'repaid');
  await watch('churn', 'left');
  await watch('churn', 'cancelled');
  await watch('ridership', null);
});
afterAll(() => gateway.stop());

const digest = `sha256:${'a'.repeat(64)}`;

/** Defines one more monitor of an endpoint, on a baseline with this label column. */
const watch = async (endpoint: string, labelColumn: string | null): Promise<void> => {
  const [baselineId, monitorId] = [uuidv7(), `m-${uuidv7()}`];
  const baseline = `default/monitoring/baseline/${baselineId}`;
  const asked = { version: { modelName: 'm', version: 1, manifestDigest: digest }, endpoint: `${endpoint}-staging` };
  const columns = { labelColumn, features: ['AGEP'], categoricalFeatures: [] };
  const dataset = { name: 'reference', digest, rows: 10 };
  await gateway.append(baseline, 'BaselineRequested', { baselineId, dataset, ...asked, ...columns });
  const position = await gateway.append(`default/monitoring/monitor/${monitorId}`, 'MonitorDefined', {
    ...{ monitorId, endpoint, baselineId, windowMs: 86_400_000, latenessMs: 0, psiThreshold: 0.1 },
    ...{ persistence: { windows: 2, ofWindows: 3 }, protectedAttributes: [], dataSourceIds: [] },
  });
  await gateway.server.gateway.log.wait(position);
};

const label = { predictionId: uuidv7(), label: 1, observedAt: '2026-06-01T12:00:00Z' };
const batch = { endpoint: 'credit', labelName: 'repaid', labels: [label] };

interface Answer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}

const post = async (path: string, body: object, key?: string): Promise<Answer> => {
  const response = await fetch(`${gateway.server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key !== undefined && { 'idempotency-key': key }) },
    body: JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Answer['json'] };
};
const send = (change: object = {}, key?: string) => post('/v1/ground-truth', { ...batch, ...change }, key);

it.each([
  ['label', { label: 'yes' }, 'must be 0, 1, true or false'],
  ['label', { label: 7 }, 'must be 0, 1, true or false'],
  ['revision', { revision: 2 ** 40 }, '2147483647'],
  ['row', { row: -1 }, '>=0'],
])('names the label and field of a bad batch: %s in %o', async (field, wrong, allowed) => {
  const { status, json } = await send({ labels: [{ ...label, ...wrong }] });
  expect(status).toBe(400);
  expect(json['message']).toContain(`labels[0].${field}: `);
  expect(json['message']).toContain(allowed);
});

it('refuses a key that the log would not remember, and says which it takes', async () => {
  for (const key of ['my-key', '00000000-0000-4000-8000-000000000000', '01700000-0000-7000-8000-000000000000']) {
    const { status, json } = await send({}, key);
    expect({ status, code: json['error_code'] }).toEqual({ status: 400, code: 'INVALID_PARAMETER_VALUE' });
    expect(json['message']).toMatch(/^Idempotency-Key: must be a UUIDv7 made between \S+ and \S+, got /);
  }
});

it('takes a batch once, and refuses its key for another one in the words of the MLflow face', async () => {
  const key = uuidv7();
  const first = await send({}, key);
  expect(first).toMatchObject({ status: 201, json: { batchId: key, labels: 1 } });
  expect(await send({}, key)).toEqual(first);
  const other = await send({ labels: [{ ...label, label: 0 }] }, key);
  expect(other).toEqual({
    status: 409,
    json: {
      error_code: 'RESOURCE_CONFLICT',
      message: 'The Idempotency-Key was used for another request.',
      rejection: 'IDEMPOTENCY_MISMATCH',
    },
  });
});

it.each([
  [
    'endpoint',
    { endpoint: 'nobody' },
    'there is no endpoint "nobody"; allowed is the name of an endpoint or of what a monitor watches',
  ],
  [
    'labelName',
    { labelName: 'repayed' },
    'no baseline of a monitor of credit has the label column "repayed"; allowed are repaid',
  ],
  [
    'labelName',
    { endpoint: 'churn', labelName: 'repaid' },
    'no baseline of a monitor of churn has the label column "repaid"; allowed are cancelled, left',
  ],
])('refuses a batch that nothing would become of: %s in %o', async (path, change, message) => {
  const before = await gateway.server.gateway.log.head();
  expect(await send(change)).toEqual({
    status: 400,
    json: { error_code: 'INVALID_PARAMETER_VALUE', message: `${path}: ${message}`, problems: [{ path, message }] },
  });
  expect(await gateway.server.gateway.log.head()).toBe(before);
});

it('takes any label name of an endpoint that nobody watches: the guards of its rollouts count them', async () => {
  const data = { endpoint: 'unwatched', environment: 'STAGING', description: '' };
  const position = await gateway.append('default/deployment/endpoint/unwatched', 'EndpointCreated', data);
  await gateway.server.gateway.log.wait(position);
  expect(await send({ endpoint: 'unwatched', labelName: 'anything' })).toMatchObject({ status: 201 });
});

it('takes any label name where a monitor has a baseline without labels', async () => {
  expect(await send({ endpoint: 'ridership', labelName: 'riders' })).toMatchObject({ status: 201 });
});
