import { ensureKeyPair, loadPrivateKey, signToken, TOKEN_ISSUER } from '@kontor/service/process';
import { uuidv7 } from '@kontor/testing';
import { type Client, createClient } from 'graphql-ws';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startTestGateway, type TestGateway } from '../gateway.fixture.js';

let gateway: TestGateway;
const clients: Client[] = [];

beforeAll(async () => {
  gateway = await startTestGateway();
  await ensureKeyPair(gateway.keysDir, TOKEN_ISSUER);
});
afterAll(async () => {
  for (const client of clients) await client.dispose();
  await gateway.stop();
});

const append = async (stream: string, type: string, data: object): Promise<bigint> => {
  const position = await gateway.append(stream, type, data);
  await gateway.server.gateway.log.wait(position);
  return position;
};
const WORKSPACE = 'default/registry/workspace/team-a';
const make = () =>
  append(WORKSPACE, 'WorkspaceCreated', { name: 'team-a', description: '', defaultArtifactRoot: null });
const remove = () => append(WORKSPACE, 'WorkspaceDeleted', { name: 'team-a' });
const work = (workspace: string) => {
  const endpoint = uuidv7();
  const data = { endpoint, environment: 'STAGING', description: '' };
  return append(`${workspace}/deployment/endpoint/${endpoint}`, 'EndpointCreated', data);
};

/** What a person with a role sees of a workspace, on a socket of their own. */
const follow = async (role: string, workspace: string, after: bigint) => {
  const key = await loadPrivateKey(gateway.keysDir, TOKEN_ISSUER);
  const subject = { actor: { id: `${role} of ${workspace}`, kind: 'person', roles: [role] }, workspace } as const;
  const token = await signToken(key, TOKEN_ISSUER, { ...subject, ttlMs: 3_600_000 }, Date.now());
  const client = createClient({
    url: `${gateway.server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });
  clients.push(client);
  const query = `subscription { events(after: "${after}") { ... on Event { position } } }`;
  return client.iterate<{ events: { position: string } }>({ query });
};
const shows = (position: bigint) => ({ done: false, value: { data: { events: { position: String(position) } } } });

it('a subscription ends when its workspace is deleted, except for who governs and audits, and no other one does', async () => {
  await make();
  const start = await work('team-a');
  const own = await follow('owner', 'team-a', start);
  const others = [
    await follow('admin', 'team-a', start),
    await follow('auditor', 'team-a', start),
    await follow('owner', 'default', start),
  ];
  const before = await work('team-a');
  // All of them are at it when the workspace goes.
  for (const events of [own, ...others.slice(0, 2)]) expect(await events.next()).toEqual(shows(before));
  const inDefault = await work('default');
  expect(await others[2]?.next()).toEqual(shows(inDefault));

  const deleted = await remove();
  await expect(own.next()).rejects.toEqual([
    { message: "Workspace 'team-a' not found", extensions: { code: 'FORBIDDEN' } },
  ]);
  const after = await work('team-a');
  for (const events of others.slice(0, 2)) expect(await events.next()).toEqual(shows(after));
  expect(await others[2]?.next()).toEqual(shows(deleted));
});

it('a subscription of a workspace that was made again passes over its deletion of before', async () => {
  const start = await make();
  await remove();
  await make();
  const events = await follow('owner', 'team-a', start);
  const first = await work('team-a');
  expect(await events.next()).toEqual(shows(first));
});
