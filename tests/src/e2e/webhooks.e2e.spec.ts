import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, prng } from '@kontor/testing';
import { beforeAll, expect, it } from 'vitest';
import { mlflow } from '../bad-input/fixture.js';
import { kontor, type Platform, repositoryRoot, startPlatform } from '../platform.js';
import { ANY_WEBHOOK, startReceiver } from '../receiver.js';

const SEED = Number(process.env['KONTOR_SEED'] ?? Date.now() % 1_000_000);
const KILLS = 4;
const SECRET = 'a-long-random-text';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform(ANY_WEBHOOK);
  return platform.stop;
});

const webhook = async (url: string, event: string, secret = SECRET): Promise<string> => {
  const [entity, action] = event.toUpperCase().split('.');
  const body = { name: 'w', url, events: [{ entity, action }], secret };
  const made = await mlflow<{ webhook: { webhook_id: string } }>(platform, 'webhooks', body);
  return made.webhook.webhook_id;
};

interface Delivery {
  readonly deliveryId: string;
  readonly state: string;
  readonly tries: number;
  readonly position: string | null;
  readonly responseStatus: number | null;
}

const graphql = async <Data>(query: string, token?: string): Promise<Data> => {
  const response = await fetch(`${platform.gatewayUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
};

/** All deliveries of a webhook, newest first, page by page. */
const deliveries = async (webhookId: string): Promise<readonly Delivery[]> => {
  const found: Delivery[] = [];
  for (let after: string | null = ''; after !== null;) {
    const page: string = after === '' ? '' : `, after: "${after}"`;
    const { webhook: row } = await graphql<{
      webhook: { deliveries: { nodes: Delivery[]; endCursor: string | null } };
    }>(
      `{ webhook(webhookId: "${webhookId}") { deliveries(first: 15${page}) {
        nodes { deliveryId state tries position responseStatus } endCursor } } }`,
    );
    found.push(...row.deliveries.nodes);
    after = row.deliveries.endCursor;
  }
  return found;
};

const registryPid = (): number => platform.processes()['registry'] ?? 0;

const isBack = async (killed: number): Promise<boolean> => {
  if ([0, killed].includes(registryPid())) return false;
  return (await kontor(['status'], { KONTOR_DATA_DIR: platform.dataDir })).exitCode === 0;
};

it('every message comes at least once and in order, however often the registry is killed while it sends', async () => {
  console.log(`seed ${SEED} (KONTOR_SEED repeats it)`);
  const random = prng(SEED);
  let kill: (() => void) | undefined;
  const receiver = await startReceiver(SECRET, (_, response) => {
    kill?.();
    kill = undefined;
    setTimeout(() => response.end('taken'), 30);
  });
  try {
    const webhookId = await webhook(receiver.url, 'model_version.created');
    await mlflow(platform, 'registered-models/create', { name: 'killed' });
    let registered = 0;
    let isOver = false;
    const register = async (): Promise<void> => {
      while (!isOver) {
        await sleep(50);
        // A door that is closed while the registry is away has promised nothing, and numbers tell what it made.
        const made = await mlflow<{ model_version: { version: string } }>(platform, 'model-versions/create', {
          name: 'killed',
          source: 's3://bucket/model',
        }).catch(() => undefined);
        registered = Number(made?.model_version.version ?? registered);
      }
    };
    const registering = register();
    for (let kills = 0; kills < KILLS; kills += 1) {
      const pid = registryPid();
      // Whenever it happens to be, and while a call is under way whose outcome nobody will have noted.
      if (kills % 2 === 0) {
        await sleep(random() * 200);
        process.kill(pid, 'SIGKILL');
      } else {
        await new Promise<void>((resolve) => {
          kill = () => {
            process.kill(pid, 'SIGKILL');
            resolve();
          };
        });
      }
      await eventually(() => isBack(pid));
    }
    isOver = true;
    await registering;
    const versionOf = (body: string) => Number((JSON.parse(body) as { data: { version: string } }).data.version);
    const first = () =>
      [...new Map(receiver.received.map((one) => [one.deliveryId, one.body])).values()].map(versionOf);
    await eventually(() => first().length >= registered);
    expect(first()).toEqual(Array.from({ length: registered }, (_, index) => index + 1));
    expect(receiver.forged).toEqual([]);
    expect(receiver.received.length).toBeGreaterThan(registered);
    expect(new Set(receiver.received.map(({ deliveryId, body }) => `${deliveryId} ${body}`)).size).toBe(registered);
    const rows = await eventually(async () => {
      const all = await deliveries(webhookId);
      return all.every(({ state }) => state === 'DELIVERED') && all;
    });
    expect(rows).toHaveLength(registered);
    console.log(`${registered} messages, ${receiver.received.length} calls, ${KILLS} kills`);
  } finally {
    receiver.stop();
  }
});

it('people see what was given up and send it again; an auditor only sees', async () => {
  let isOpen = false;
  const receiver = await startReceiver(SECRET, (_, response) => void response.writeHead(isOpen ? 200 : 410).end('no'));
  try {
    const webhookId = await webhook(receiver.url, 'registered_model.created');
    await mlflow(platform, 'registered-models/create', { name: 'given-up' });
    const [given] = await eventually(async () => {
      const all = await deliveries(webhookId);
      return all[0]?.state === 'ABANDONED' && all;
    });
    expect(given).toMatchObject({ tries: 1, responseStatus: 410 });
    const redeliver = (input: string, token?: string) =>
      graphql<{ redeliverWebhook: Record<string, unknown> }>(
        `mutation { redeliverWebhook(input: { ${input} }) { __typename
          ... on RedeliverWebhookPayload { webhook { webhookId status url events secretVersion } }
          ... on ValidationError { message path } ... on ForbiddenError { message } } }`,
        token,
      );
    const input = `webhookId: "${webhookId}", deliveryId: "${given?.deliveryId}"`;
    const { output: token } = await kontor(['token', '--actor', 'vera', '--role', 'auditor'], {
      KONTOR_DATA_DIR: platform.dataDir,
    });
    expect((await redeliver(input, token.trim())).redeliverWebhook['__typename']).toBe('ForbiddenError');
    expect((await redeliver(`webhookId: "${webhookId}", deliveryId: "${webhookId}"`)).redeliverWebhook).toMatchObject({
      __typename: 'ValidationError',
      path: ['deliveryId'],
    });
    isOpen = true;
    expect((await redeliver(input)).redeliverWebhook).toEqual({
      __typename: 'RedeliverWebhookPayload',
      webhook: {
        ...{ webhookId, status: 'ACTIVE', url: receiver.url, events: ['registered_model.created'], secretVersion: 1 },
      },
    });
    await eventually(async () => (await deliveries(webhookId))[0]?.state === 'DELIVERED');
    expect(receiver.received.map(({ deliveryId }) => deliveryId)).toEqual([given?.deliveryId, given?.deliveryId]);
    const { output } = await kontor(['events', '--type', 'WebhookRedeliveryRequested', '--json'], {
      KONTOR_DATA_DIR: platform.dataDir,
    });
    expect(output).toContain(`"deliveryId":"${given?.deliveryId}"`);
  } finally {
    receiver.stop();
  }
});

it('the receiver of the page takes what is signed with its secret, once, and nothing else', async () => {
  const page = readFileSync(join(repositoryRoot(), 'docs/how-to/webhooks.md'), 'utf8');
  const program = [...page.matchAll(/```python\n(.*?)```/gs)]
    .map(([, code]) => code ?? '')
    .find((code) => code.includes('HTTPServer('));
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const child = spawn('python3', ['-c', program ?? ''], {
    env: { ...process.env, WEBHOOK_SECRET: SECRET, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    const url = `http://127.0.0.1:${port}/`;
    await eventually(() => fetch(url).then(() => true));
    const [genuine, forged] = [
      await webhook(url, 'registered_model.created'),
      await webhook(url, 'registered_model.created', 'another secret'),
    ];
    await mlflow(platform, 'registered-models/create', { name: 'of-the-page' });
    await eventually(async () => (await deliveries(genuine))[0]?.state === 'DELIVERED');
    const refused = await eventually(async () => {
      const all = await deliveries(forged);
      return all[0]?.state === 'ABANDONED' && all[0];
    });
    expect(refused.responseStatus).toBe(401);
    const [delivered] = await deliveries(genuine);
    await graphql(
      `mutation { redeliverWebhook(input: { webhookId: "${genuine}", deliveryId: "${delivered?.deliveryId}" }) { __typename } }`,
    );
    await eventually(async () => (await deliveries(genuine))[0]?.state === 'DELIVERED');
    expect(
      printed
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    ).toMatchObject([
      { entity: 'registered_model', action: 'created', data: { name: 'of-the-page', tags: {}, description: '' } },
    ]);
  } finally {
    child.kill();
  }
});
