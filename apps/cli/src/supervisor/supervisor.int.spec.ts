import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, lockDataDirectory } from '@kontor/embedded';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLog, startApp } from './app-process.js';
import { openDoors, urlOf } from './doors.js';
import { readRunFile, removeRunFile, type RunFile, writeRunFile } from './run-file.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kontor-cli-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

describe('an app process', () => {
  const start = async (script: string, environment: NodeJS.ProcessEnv = {}) => {
    const main = join(directory, 'main.mjs');
    await writeFile(main, script);
    return startApp({ name: 'app', main, dataDir: directory, environment });
  };
  const log = () => readFile(join(directory, 'logs', 'app.log'), 'utf8');
  const READY = `process.send({ ready: true }); process.once('disconnect', () => process.exit(0));`;

  it('is up when it says so, ends on SIGTERM, and its output is in its log', async () => {
    const app = await start(`console.log('at ' + process.env.PLACE); ${READY}`, { PLACE: 'home' });
    expect(isAlive(app.pid)).toBe(true);
    await app.stop();
    expect(await app.exited).toEqual({ code: null, signal: 'SIGTERM' });
    expect(await log()).toBe('at home\n');
  });

  it('tells its last lines when it ends before it is ready', async () => {
    const script = `console.error('KONTOR_PORT: port 4000 is taken'); process.exitCode = 2;`;
    await expect(start(script)).rejects.toThrow(/app ended \(exit code 2\) while starting.*\n.*port 4000 is taken/);
  });

  it('is ended when it does not listen to SIGTERM', async () => {
    const app = await start(`process.on('SIGTERM', () => {}); ${READY}`);
    await app.stop();
    expect(await app.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('starts a new log beside the old one when that is large', async () => {
    const first = openLog(directory, 'app');
    await new Promise<void>((resolve) => first.end('x'.repeat(10 * 1024 * 1024 + 1), resolve));
    await new Promise<void>((resolve) => openLog(directory, 'app').end('new\n', resolve));
    expect(await log()).toBe('new\n');
    expect((await readdir(join(directory, 'logs'))).sort()).toEqual(['app.log', 'app.log.1']);
  });
});

describe('the doors', () => {
  let squatter: Server;
  let taken: number;
  beforeEach(async () => {
    squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    const address = squatter.address();
    taken = typeof address === 'object' && address ? address.port : 0;
  });
  afterEach(() => new Promise((resolve) => squatter.close(resolve)));
  const open = (gateway: { port: number; isExplicit: boolean }, said: string[] = []) =>
    openDoors({ host: '127.0.0.1', gateway, serving: { port: 45_871, isExplicit: false } }, (line) => said.push(line));

  it('replace a default port that is taken, and say so', async () => {
    const said: string[] = [];
    const doors = await open({ port: taken, isExplicit: false }, said);
    expect(doors.gateway).not.toBe(taken);
    expect(said[0]).toBe(
      `port ${String(taken)} is taken: using ${String(doors.gateway)} (set KONTOR_PORT to choose one)`,
    );
  });

  it('refuse a chosen port that is taken', async () => {
    const refused = open({ port: taken, isExplicit: true });
    await expect(refused).rejects.toThrow(`KONTOR_PORT: port ${String(taken)} is taken on 127.0.0.1`);
  });

  it('refuse one port for both', async () => {
    await expect(open({ port: 45_871, isExplicit: true })).rejects.toThrow(
      'KONTOR_SERVING_PORT: 45871 is KONTOR_PORT too',
    );
  });

  it('are reached by clients here, whatever they listen on', () => {
    expect(urlOf('0.0.0.0', 4000)).toBe('http://127.0.0.1:4000');
    expect(urlOf('::1', 4000)).toBe('http://[::1]:4000');
    expect(urlOf('localhost', 4000)).toBe('http://localhost:4000');
  });
});

describe('the run file', () => {
  const address = 'http://127.0.0.1:4000';
  const addresses = { gateway: address, serving: address, postgres: address, nats: address };
  const run: RunFile = { pid: process.pid, startedAt: '2026-01-01T00:00:00Z', addresses, components: [] };

  it('tells what runs, while it runs', async () => {
    expect(await readRunFile(directory)).toBeUndefined();
    const lock = await lockDataDirectory(directory);
    expect(await readRunFile(directory)).toBeUndefined();
    await writeRunFile(directory, run);
    expect(await readRunFile(directory)).toEqual(run);
    await removeRunFile(directory);
    await lock.release();
    expect(await readdir(directory)).toEqual([]);
  });

  it('does not count when a killed supervisor left it behind', async () => {
    await writeRunFile(directory, run);
    expect(await readRunFile(directory)).toBeUndefined();
    await lockDataDirectory(directory);
    await writeRunFile(directory, { ...run, pid: run.pid + 1 });
    expect(await readRunFile(directory)).toBeUndefined();
  });
});
