import pg from 'pg';

/**
 * The yardstick where there is no pgbench: a process of its own with as many sessions, each inserting one row after the
 * other with a prepared statement. Slower than pgbench, because it is Node: the report says which one was used.
 *
 * Arguments: url, SQL, clients, seconds. Prints rows per second.
 */
const [url = '', sql = '', clients = '1', seconds = '1'] = process.argv.slice(2);
const sessions = await Promise.all(
  Array.from({ length: Number(clients) }, async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return client;
  }),
);
const started = performance.now();
const end = started + Number(seconds) * 1000;
let rows = 0;
await Promise.all(
  sessions.map(async (client) => {
    while (performance.now() < end) {
      await client.query({ name: 'insert', text: sql });
      rows += 1;
    }
  }),
);
const perSecond = rows / ((performance.now() - started) / 1000);
await Promise.all(sessions.map((client) => client.end()));
console.log(JSON.stringify({ perSecond, latencyMsAverage: (Number(clients) / perSecond) * 1000 }));
