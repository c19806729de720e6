import { connect } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testNats, type TestNats } from './nats.js';
import { testDatabase, type TestDatabase } from './postgres.js';

const query = async (url: string, sql: string): Promise<unknown[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
};

/** The first line that a nats-server sends. */
const greeting = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString());
    });
  });

describe('the servers for specs', () => {
  let databases: TestDatabase[];
  let nats: TestNats[];
  beforeAll(async () => {
    databases = await Promise.all([testDatabase(), testDatabase()]);
    nats = await Promise.all([testNats(), testNats()]);
  });
  afterAll(async () => {
    await Promise.all([...databases.map((database) => database.drop()), ...nats.map((server) => server.stop())]);
  });

  it('give each caller an empty database of its own', async () => {
    const [one, other] = databases.map((database) => database.url);
    await query(String(one), 'CREATE TABLE only_here ()');
    const count = `SELECT count(*)::int AS n FROM pg_tables WHERE tablename = 'only_here'`;
    expect(await query(String(one), count)).toEqual([{ n: 1 }]);
    expect(await query(String(other), count)).toEqual([{ n: 0 }]);
  });

  it('are as durable as in production', async () => {
    const settings = `SELECT name, setting FROM pg_settings
      WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums') AND setting <> 'on'`;
    expect(await query(String(databases[0]?.url), settings)).toEqual([]);
  });

  it('give each caller a nats-server with JetStream of its own', async () => {
    const greetings = await Promise.all(nats.map((server) => greeting(server.url)));
    expect(new Set(greetings.map((text) => /"server_id":"(\w+)"/.exec(text)?.[1])).size).toBe(2);
    for (const text of greetings) expect(text).toContain('"jetstream":true');
  });

  it('come back on the same address after a kill -9', async () => {
    const [server] = nats;
    await server?.kill();
    await expect(greeting(String(server?.url))).rejects.toThrow('ECONNREFUSED');
    await server?.restart();
    expect(await greeting(String(server?.url))).toContain('INFO');
  });
});
