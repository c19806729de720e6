import { monitoring } from '@kontor/domain/monitoring';
import { uuidv7 } from '@kontor/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ services: [monitoring] });
});
afterAll(() => gateway.stop());

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
