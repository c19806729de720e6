import { registry } from '@kontor/domain/registry';
import { holdAppends } from '@kontor/testing';
import { Agent, request } from 'node:http';
import { expect, it } from 'vitest';
import { startTestGateway } from './gateway.fixture.js';

it('a gateway that stops answers what it has begun, and keeps no connection that is idle', async () => {
  const gateway = await startTestGateway({ services: [registry] });
  const agent = new Agent({ keepAlive: true });
  const create = (name: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const url = `${gateway.server.url}/api/2.0/mlflow/experiments/create`;
      const sent = request(
        url,
        { method: 'POST', agent, headers: { 'content-type': 'application/json' } },
        (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode));
        },
      );
      sent.on('error', reject).end(JSON.stringify({ name }));
    });
  expect(await create('before')).toBe(200);
  const held = await holdAppends(gateway.adminUrl, 'registry');
  const begun = create('begun');
  await held.waited();
  const { url } = gateway.server;
  const restarted = gateway.restart(() => expect(fetch(url)).rejects.toThrow('fetch failed'));
  await held.release();
  expect(await begun).toBe(200);
  await restarted;
  agent.destroy();
  await gateway.stop();
});
