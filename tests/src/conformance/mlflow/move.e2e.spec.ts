import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pythonWith } from '@kontor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kontor, type Platform, repositoryRoot, shell, startPlatform } from '../../platform.js';
import { type MlflowServer, startMlflowServer } from './mlflow-server.js';

const environment = pythonWith(readFileSync(join(import.meta.dirname, 'requirements.txt'), 'utf8'));
const inCi = Boolean(process.env['CI']);
const page = readFileSync(join(repositoryRoot(), 'docs/how-to/move-from-mlflow.md'), 'utf8');
const commandsOfPage = [...page.matchAll(/```sh\n([^`]*)```/g)].map(([, body = '']) => body);

if ('missing' in environment) console.warn(`the move from MLflow is not tested: ${environment.missing}`);

describe.skipIf('missing' in environment && !inCi)('the move from MLflow', () => {
  const python = 'missing' in environment ? 'python3' : environment.python;
  const folder = mkdtempSync(join(tmpdir(), 'kontor-move-'));
  let starting: readonly [Promise<Platform>, Promise<MlflowServer>] | undefined;
  let platform: Platform;
  let sourceUri: string;

  const runPython = async (program: string, ...args: readonly string[]) => {
    const child = spawn(python, [join(import.meta.dirname, program), ...args], {
      env: { ...process.env, MLFLOW_TRACKING_URI: sourceUri, MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: 'false' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [exitCode] = (await once(child, 'close')) as [number | null];
    return { exitCode, output };
  };

  beforeAll(async () => {
    starting = [startPlatform(), startMlflowServer(python, folder)];
    [platform, { uri: sourceUri }] = await Promise.all(starting);
    const filled = await runPython('move_source.py', 'first');
    expect(filled.exitCode, filled.output).toBe(0);
  });
  afterAll(async () => {
    // Also one that comes up when the other did not.
    const started = await Promise.allSettled(starting ?? []);
    await Promise.all(started.map((one) => one.status === 'fulfilled' && one.value.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  const importing = (...args: readonly string[]) =>
    kontor(['import', 'mlflow', '--from', sourceUri, ...args], { KONTOR_DATA_DIR: platform.dataDir });

  const position = async (): Promise<bigint> => {
    const response = await fetch(`${platform.gatewayUrl}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ log { position } }' }),
    });
    const { data } = (await response.json()) as { data: { log: { position: string } } };
    return BigInt(data.log.position);
  };

  /** Starts an import and kills it when the log has got some events of it. @returns how many it got */
  const killedImport = async (afterEvents: bigint): Promise<bigint> => {
    const before = await position();
    const bin = join(repositoryRoot(), 'apps/cli/bin/kontor.mjs');
    const child = spawn(process.execPath, [bin, 'import', 'mlflow', '--from', sourceUri], {
      env: { ...process.env, KONTOR_DATA_DIR: platform.dataDir },
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    while (child.exitCode === null && (await position()) - before < afterEvents)
      await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGKILL');
    await ended;
    expect(child.signalCode, 'it was killed before its end').toBe('SIGKILL');
    return (await position()) - before;
  };

  const compared = async (to: string) => {
    const { exitCode, output } = await runPython('move_compare.py', sourceUri, to);
    expect(exitCode, output).toBe(0);
    expect(output).toMatch(/^\d{2,} things compared, 0 differences$/m);
  };

  it('goes on after it was killed, and both servers then tell the client the same', async () => {
    for (const events of [1n, 20n, 60n]) expect(await killedImport(events)).toBeGreaterThanOrEqual(events);
    const { exitCode, output } = await importing();
    expect(exitCode, output).toBe(0);
    expect(output).toMatch(/^runs +61 +61$/m);
    expect(output).toMatch(/^metric points +6,852 +6,852$/m);
    await compared(platform.gatewayUrl);
  });

  it('changes nothing when it runs again, and then takes what is new', async () => {
    const before = await position();
    const again = await importing();
    expect(again.exitCode, again.output).toBe(0);
    expect(again.output).toContain('\n0 new events in ');
    expect(await position()).toBe(before);
    const added = await runPython('move_source.py', 'later');
    expect(added.exitCode, added.output).toBe(0);
    const third = await importing();
    expect(third.exitCode, third.output).toBe(0);
    await compared(platform.gatewayUrl);
  });

  it('goes into a workspace as its page says, and gives taken numbers others', async () => {
    const env = { KONTOR_DATA_DIR: platform.dataDir };
    const script = (commandsOfPage.at(-1) ?? '').replaceAll('http://mlflow.example:5000', sourceUri);
    const { exitCode, output } = await shell(script, { cwd: folder, env });
    expect(exitCode, output).toBe(0);
    expect(output).toContain('from-mlflow is made');
    const unknown = await importing('--workspace', 'nowhere');
    expect(unknown).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining("Workspace 'nowhere' not found") as string,
    });
    // The first command of the page: once more into the workspace default.
    const first = await shell((commandsOfPage[0] ?? '').replaceAll('http://mlflow.example:5000', sourceUri), {
      cwd: folder,
      env,
    });
    expect(first.exitCode, first.output).toBe(0);
  });

  it('refuses what has a taken name, imports all else, and ends with 1', async () => {
    const workspace = `${platform.gatewayUrl}/workspaces/taken`;
    expect((await kontor(['workspace', 'create', 'taken'], { KONTOR_DATA_DIR: platform.dataDir })).exitCode).toBe(0);
    for (const [path, body] of [
      ['experiments/create', { name: 'experiment 1' }],
      ['registered-models/create', { name: 'credit' }],
    ] as const) {
      const response = await fetch(`${workspace}/api/2.0/mlflow/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect(response.status).toBe(200);
    }
    const { exitCode, output } = await importing('--workspace', 'taken', '--without-artifacts');
    expect(exitCode, output).toBe(1);
    expect(output).toContain('refused: experiment experiment 1: The name is taken. (NAME_TAKEN)');
    expect(output).toContain('refused: model credit: The name is taken. (NAME_TAKEN)');
    expect(output).toMatch(/^experiment 1 of the source is experiment \d+ here$/m);
    expect(output).toMatch(/^experiments +5 +4 {2}differs$/m);
    expect(output).toMatch(/^runs +62 +42 {2}differs$/m);
    expect(output).toMatch(/^registered models +3 +2 {2}differs$/m);
    expect(output).toContain('--workspace <name>');
  });

  it('says of a source that goes away how to go on', async () => {
    expect((await kontor(['workspace', 'create', 'gone'], { KONTOR_DATA_DIR: platform.dataDir })).exitCode).toBe(0);
    const passing = await throughDoor(sourceUri);
    try {
      const ended = kontor(['import', 'mlflow', '--from', passing.uri, '--workspace', 'gone'], {
        KONTOR_DATA_DIR: platform.dataDir,
      });
      expect(await ended).toMatchObject({
        exitCode: 1,
        output: expect.stringContaining(
          `kontor: ${passing.uri} does not answer; what was imported stays: run the same command again to go on`,
        ) as string,
      });
    } finally {
      passing.server.close();
    }
  });

  it('is refused by a server that is none of MLflow, and by one that asks for a name', async () => {
    const answering = async (status: number, text: string): Promise<string> => {
      const server = createServer((_request, response) => response.writeHead(status).end(text)).listen(0, '127.0.0.1');
      await once(server, 'listening');
      server.unref();
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
    for (const [status, text, says] of [
      [200, '<html>hello', 'is no MLflow server of 2.0 or newer: /version says "<html>hello"'],
      [200, '1.30.0', 'is no MLflow server of 2.0 or newer: /version says "1.30.0"'],
      [401, 'You are not authenticated.', 'refuses /version with 401: You are not authenticated.'],
      [404, 'nothing', '/version answered 404: nothing'],
    ] as const) {
      const uri = await answering(status, text);
      const { exitCode, output } = await kontor(['import', 'mlflow', '--from', uri], {
        KONTOR_DATA_DIR: platform.dataDir,
      });
      expect(exitCode, output).toBe(1);
      expect(output).toContain(`kontor: ${uri}`);
      expect(output).toContain(says);
    }
  });

  it('leaves read models that equal the log', async () => {
    const { exitCode, output } = await kontor(['replay', '--verify'], { KONTOR_DATA_DIR: platform.dataDir });
    expect(exitCode, output).toBe(0);
  });
});

/** A door in front of a server that is shut for ever after the first answers. */
const throughDoor = async (target: string): Promise<{ readonly uri: string; readonly server: Server }> => {
  let answers = 0;
  const server = createServer((request, response) => {
    answers += 1;
    if (answers > 12) {
      request.socket.destroy();
      return;
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = 'GET', url = '/' } = request;
      void fetch(`${target}${url}`, {
        method,
        ...(method === 'POST' && { headers: { 'content-type': 'application/json' }, body: Buffer.concat(chunks) }),
      }).then(async (answer) => response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer())));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
};
