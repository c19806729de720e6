import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkNats, freePort } from '@kontor/embedded';
import { eventually, natsServer, testDatabase } from '@kontor/testing';
import pg from 'pg';
import { expect, it } from 'vitest';
import { repositoryRoot } from '../platform.js';

const infra = join(repositoryRoot(), 'infra');

it('infra/postgres/postgresql.conf names the settings that the embedded server runs with', async () => {
  const text = readFileSync(join(infra, 'postgres/postgresql.conf'), 'utf8');
  const wanted = [...text.matchAll(/^(\w+) = (\S+)$/gm)].map(([, name, value]) => ({ name, value }));
  expect(wanted.length).toBe(text.split('\n').filter((line) => /^[^#\s]/.test(line)).length);
  const database = await testDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    for (const { name, value } of wanted) {
      const { rows } = await client.query<{ value: string }>('SELECT current_setting($1) AS value', [name]);
      expect(rows[0]?.value, name).toBe(value);
    }
  } finally {
    await client.end();
    await database.drop();
  }
});

it('infra/nats/nats.conf makes a server that Kontor accepts', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kontor-nats-'));
  const port = await freePort();
  const args = ['--config', join(infra, 'nats/nats.conf'), '--port', String(port)];
  const env = { ...process.env, KONTOR_NATS_PASSWORD: 'secret' };
  // Its data goes into the folder it is started in.
  const server = spawn(natsServer(), args, { cwd: directory, env });
  const exited = once(server, 'exit');
  try {
    await eventually(async () => {
      await checkNats(`nats://kontor:secret@127.0.0.1:${port}`);
      return true;
    });
    await expect(checkNats(`nats://kontor:wrong@127.0.0.1:${port}`)).rejects.toThrow('KONTOR_NATS_URL');
  } finally {
    server.kill('SIGTERM');
    await exited;
    rmSync(directory, { recursive: true });
  }
});
