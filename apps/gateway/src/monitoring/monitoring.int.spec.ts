import { uuidv7 } from '@kontor/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

let gateway: TestGateway;
const digest = `sha256:${'a'.repeat(64)}`;

const DEFINE = `mutation ($input: DefineMonitorInput!) { defineMonitor(input: $input) {
  __typename ... on Problem { message path } } }`;

const define = async (baselineId: string, dataSourceIds: readonly string[]) => {
  const input = {
    monitorId: 'employment',
    endpoint: 'employment',
    baselineId,
    windowMs: 86_400_000,
    latenessMs: 0,
    psiThreshold: 0.1,
    persistence: { windows: 2, ofWindows: 3 },
    protectedAttributes: [],
    dataSourceIds,
  };
  return (await gateway.graphql(DEFINE, { variables: { input } })).data.defineMonitor;
};

const append = async (baselineId: string, type: string, data: object) => {
  const position = await gateway.append(`default/monitoring/baseline/${baselineId}`, type, { baselineId, ...data });
  await gateway.server.gateway.log.wait(position);
};

const version = { modelName: 'employment', version: 1, manifestDigest: digest };
const dataset = { name: 'reference', digest, rows: 10 };

const request = async (): Promise<string> => {
  const baselineId = uuidv7();
  const columns = { labelColumn: null, features: ['AGEP'], categoricalFeatures: [] };
  await append(baselineId, 'BaselineRequested', { endpoint: 'employment-staging', version, dataset, ...columns });
  return baselineId;
};

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.stop());

it('defines no monitor on a baseline that is unknown, unfinished or failed, and names the field', async () => {
  const unknown = uuidv7();
  expect(await define(unknown, [])).toEqual({
    __typename: 'ValidationError',
    message: `baselineId: the baseline "${unknown}" is unknown; request one first`,
    path: ['baselineId'],
  });
  const baselineId = await request();
  expect((await define(baselineId, [])).message).toContain('is still being made; wait until its state is COMPLETED');
  await append(baselineId, 'BaselineFailed', { endpoint: 'employment-staging', reason: 'no column AGEP' });
  expect((await define(baselineId, [])).message).toContain('failed (no column AGEP); request another one');
});

it('defines no monitor with a data source that nobody registered: its alerts would name no owner', async () => {
  const baselineId = await request();
  const bins = { kind: 'numeric', edges: [], categories: [], counts: [10, 0, 0, 0], min: 1, max: 2, cells: [] };
  const features = [{ feature: 'AGEP', ...bins }];
  const pinned = { version, dataset, features, score: { feature: 'score', ...bins }, binsHash: digest };
  await append(baselineId, 'BaselinePinned', { ...pinned, performance: null });
  expect(await define(baselineId, ['census'])).toEqual({
    __typename: 'ValidationError',
    message: 'dataSourceIds[0]: there is no data source "census"; register it first',
    path: ['dataSourceIds', '0'],
  });
});
