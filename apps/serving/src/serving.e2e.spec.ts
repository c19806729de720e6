import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RouteEntry } from '@kontor/domain/deployment';
import { eventually } from '@kontor/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

const main = new URL('../dist/main.js', import.meta.url).pathname;
const models = new URL('../../cli/demo/employment/models/employment-1/', import.meta.url);

let directory: string;
let child: ChildProcess;
let url: string;

const store = async (bytes: Uint8Array): Promise<string> => {
  const hex = createHash('sha256').update(bytes).digest('hex');
  await mkdir(join(directory, 'artifacts', 'sha256', hex.slice(0, 2)), { recursive: true });
  await writeFile(join(directory, 'artifacts', 'sha256', hex.slice(0, 2), hex), bytes);
  return `sha256:${hex}`;
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kontor-serving-'));
  const digest = await store(await readFile(new URL('model.onnx', models)));
  const entry: RouteEntry = {
    workspace: 'default',
    endpoint: 'employment',
    environment: 'production',
    streamVersion: 1,
    suspended: false,
    salt: 'kontor',
    revisions: [
      {
        revisionId: 'r1',
        weightBps: 10_000,
        version: { modelName: 'employment', version: 1, manifestDigest: digest },
        servable: { flavor: 'onnx', digest, sizeBytes: 1, goldenDigest: null },
      },
    ],
  };
  await mkdir(join(directory, 'serving'));
  await writeFile(join(directory, 'serving', 'routes.json'), JSON.stringify([entry]));
  child = spawn(process.execPath, [main], {
    // Nobody listens there: the process serves the routes that it saved.
    env: { KONTOR_DATA_DIR: directory, KONTOR_SERVING_PORT: '0', KONTOR_NATS_URL: 'nats://127.0.0.1:1' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [ready] = (await once(child, 'message')) as [{ addresses: { serving: string } }];
  url = ready.addresses.serving;
  await eventually(async () => (await fetch(`${url}/v2/health/ready`)).status === 200);
});
afterAll(async () => {
  child.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

it('on SIGTERM takes nothing new, answers the request that it has begun, and ends with code 0', async () => {
  const golden = JSON.parse(await readFile(new URL('golden.json', models), 'utf8')) as { inputs: unknown };
  const body = JSON.stringify({ inputs: golden.inputs });
  const begun = request(`${url}/v2/models/employment/infer`, {
    method: 'POST',
    agent: new Agent({ keepAlive: true }),
    headers: { expect: '100-continue', 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  });
  const answered = once(begun, 'response');
  begun.flushHeaders();
  // The server says so when it has the head of the request.
  await once(begun, 'continue');
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await eventually(() =>
    fetch(`${url}/v2`).then(
      () => false,
      () => true,
    ),
  );
  expect(child.exitCode).toBeNull();
  begun.end(body);
  const [response] = (await answered) as [IncomingMessage];
  response.resume();
  expect([response.statusCode, response.headers.connection]).toEqual([200, 'close']);
  expect(await ended).toEqual([0, null]);
});
