import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, lockDataDirectory } from '@kontor/embedded';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../usage-error.js';
import { startApp } from './app-process.js';
import { openLog } from './log-file.js';
import { choosePorts, urlOf } from './ports.js';
import { readRunFile, removeRunFile, type RunFile, writeRunFile } from './run-file.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kontor-cli-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

describe('an app process', () => {
  const start = async (script: string, environment: NodeJS.ProcessEnv = {}, signal = new AbortController().signal) => {
    const main = join(directory, 'main.mjs');
    await writeFile(main, script);
    return startApp({ name: 'app', main, dataDir: directory, environment, signal });
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
    const script = `console.error('no model'); process.exitCode = 1;`;
    await expect(start(script)).rejects.toThrow(/app ended \(exit code 1\) while starting.*\n.*no model/);
  });

  it('makes a setting that it refuses a wrong setting of the platform', async () => {
    const refused = start(`console.error('KONTOR_X is "y": must be "z"'); process.exitCode = 2;`);
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toThrow('app: KONTOR_X is "y": must be "z"');
  });

  it('is ended while it is starting when the start is given up', async () => {
    const controller = new AbortController();
    const starting = start(`console.log(process.pid); setInterval(() => {}, 1000);`, {}, controller.signal);
    while ((await log().catch(() => '')) === '') await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort(new Error('Ctrl-C'));
    await expect(starting).rejects.toThrow('Ctrl-C');
    expect(isAlive(Number(await log()))).toBe(false);
  });

  it('is ended when it does not listen to SIGTERM', async () => {
    const app = await start(`process.on('SIGTERM', () => {}); ${READY}`);
    await app.stop();
    expect(await app.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('starts a new log beside the old one when that is large', async () => {
    for (const text of ['x'.repeat(10 * 1024 * 1024 + 1), 'new\n']) {
      const file = openLog(directory, 'app');
      file.write(text);
      file.close();
    }
    expect(await log()).toBe('new\n');
    expect((await readdir(join(directory, 'logs'))).sort()).toEqual(['app.log', 'app.log.1']);
  });
});

describe('a log on a full disk', () => {
  // /dev/full answers every write with ENOSPC; only Linux has it.
  it.runIf(process.platform === 'linux')('loses its lines and says so once, and the process goes on', async () => {
    await mkdir(join(directory, 'logs'));
    await symlink('/dev/full', join(directory, 'logs', 'app.log'));
    const said: string[] = [];
    const file = openLog(directory, 'app', (line) => said.push(line));
    file.write('one\n');
    file.write('two\n');
    file.close();
    expect(said).toEqual([expect.stringMatching(/logs\/app\.log takes no lines, and they are lost: ENOSPC/)]);
  });
});

describe('the ports', () => {
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
    choosePorts({ host: '127.0.0.1', gateway, serving: { port: 45_871, isExplicit: false } }, (line) =>
      said.push(line),
    );

  it('replace a default port that is taken, and say so', async () => {
    const said: string[] = [];
    const ports = await open({ port: taken, isExplicit: false }, said);
    ports.release();
    expect(ports.gateway).not.toBe(taken);
    expect(said[0]).toBe(`port ${taken} is taken: using ${ports.gateway} (set KONTOR_PORT to choose one)`);
  });

  it.runIf(process.platform === 'linux')('are not chosen by two starts at once', async () => {
    const { port } = await new Promise<AddressInfo>((resolve) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const address = probe.address() as AddressInfo;
        probe.close(() => resolve(address));
      });
    });
    const chosen = await Promise.all([1, 2, 3].map(() => open({ port, isExplicit: false })));
    expect(new Set(chosen.map(({ gateway }) => gateway)).size).toBe(3);
    expect(chosen.filter(({ gateway }) => gateway === port)).toHaveLength(1);
    for (const ports of chosen) ports.release();
    const next = await open({ port, isExplicit: true });
    expect(next.gateway).toBe(port);
    next.release();
  });

  it.runIf(process.platform === 'linux')("stay their platform's while its app is down and starts again", async () => {
    squatter.close();
    const running = await open({ port: taken, isExplicit: true });
    const other = await open({ port: taken, isExplicit: false });
    expect(other.gateway).not.toBe(taken);
    await expect(open({ port: taken, isExplicit: true })).rejects.toThrow(`KONTOR_PORT: port ${taken} is taken`);
    for (const ports of [running, other]) ports.release();
  });

  it('refuse a chosen port that is taken', async () => {
    const refused = open({ port: taken, isExplicit: true });
    await expect(refused).rejects.toThrow(`KONTOR_PORT: port ${taken} is taken on 127.0.0.1`);
  });

  it('refuse a host that is not this machine', async () => {
    const door = { port: 45_871, isExplicit: false };
    const elsewhere = choosePorts(
      { host: '192.0.2.1', gateway: door, serving: { ...door, port: 45_872 } },
      () => undefined,
    );
    await expect(elsewhere).rejects.toThrow('KONTOR_HOST: "192.0.2.1" cannot be listened on');
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
