// What the append promises under kill -9, of the writers and of PostgreSQL: nothing that was acknowledged is lost, nothing is
// doubled or torn, positions have no gap. Kills follow counts of answers, not clocks.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { lockDataDirectory, startPostgres } from '@kontor/embedded';
import { createPool, LOGIN_ROLES, prepareDatabase, readRawPage } from '@kontor/event-store';
import { eventLeaf } from '@kontor/transparency-log';
import { prng, uuidv7 } from '@kontor/testing';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer, WrittenCommand } from './writer.fixture.js';

const SEED = 4711;
const WRITERS = 3;
const COMMANDS = 700;
const ORIGIN = 'kontor.example/log/0';

// Node runs the sources itself; only the endings of relative imports need help.
const hook = `import { registerHooks } from 'node:module';
  registerHooks({ resolve: (name, context, next) =>
    next(name.startsWith('.') && !context.parentURL?.includes('node_modules') ? name.replace(/\\.js$/, '.ts') : name, context) });`;

const chance = prng(SEED);
const upTo = (limit: number): number => 1 + Math.floor(chance() * limit);

const commands = Array.from({ length: WRITERS }, () =>
  Array.from({ length: COMMANDS }, (): WrittenCommand => {
    const first = upTo(30);
    const streams = [first, first + upTo(30)].slice(0, upTo(2)).map((id) => `default/registry/run/${id}`);
    return {
      commandId: uuidv7(),
      streams,
      eventIds: streams.map(() => Array.from({ length: upTo(3) }, uuidv7)),
    };
  }),
);

describe(`appends under kill -9 (seed ${SEED})`, () => {
  let directory: string;
  let lock: Awaited<ReturnType<typeof lockDataDirectory>>;
  let server: Awaited<ReturnType<typeof startPostgres>>;
  let admin: pg.Pool;
  let url: string;
  const answers = new Map<string, Answer>();
  let databaseKills = 0;
  let writerKills = 0;
  let restarting: Promise<void> | undefined;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kontor-test-'));
    lock = await lockDataDirectory(directory);
    server = await startPostgres({ dataDir: directory, log: () => undefined });
    const passwords = Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test']));
    const prepared = await prepareDatabase({ adminUrl: server.url, database: 'kontor', passwords, origin: ORIGIN });
    url = prepared.urlFor('kontor_registry');
    admin = createPool({ connectionString: Object.assign(new URL(server.url), { pathname: 'kontor' }).href });
  });
  afterAll(async () => {
    await admin.end();
    await server.stop();
    await lock.release();
    await rm(directory, { recursive: true, force: true });
  });

  const killDatabase = async (): Promise<void> => {
    databaseKills += 1;
    const { port } = new URL(server.url);
    process.kill(server.pid, 'SIGKILL');
    await server.exited;
    server = await startPostgres({ dataDir: directory, log: () => undefined, port: Number(port) });
  };

  /** Runs a writer until it has said `limit` answers, then ends it as kill -9 does; or until all is answered. */
  const write = async (writer: number, open: readonly WrittenCommand[], limit: number): Promise<void> => {
    const file = join(directory, `writer-${writer}.json`);
    await writeFile(file, JSON.stringify(open));
    const child: ChildProcess = fork(join(import.meta.dirname, 'writer.fixture.ts'), [url, file], {
      execArgv: [
        ...['--no-warnings', '--experimental-transform-types', '--conditions=@kontor/source'],
        ...['--import', `data:text/javascript,${encodeURIComponent(hook)}`],
      ],
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const exited = once(child, 'exit');
    let said = 0;
    if (!child.stdout) throw new Error('no pipe');
    for await (const line of createInterface({ input: child.stdout })) {
      const answer = JSON.parse(line) as Answer;
      answers.set(answer.commandId, answer);
      said += 1;
      if (said === limit) {
        writerKills += child.kill('SIGKILL') ? 1 : 0;
      }
      if (answers.size % 500 === 0 && answers.size < WRITERS * COMMANDS) {
        restarting ??= killDatabase().finally(() => (restarting = undefined));
      }
    }
    const [code, signal] = (await exited) as [number | null, string | null];
    expect(code === 0 || signal === 'SIGKILL', `a writer ended with ${code}`).toBe(true);
  };

  it('answers every command in the end, whoever is killed', async () => {
    await Promise.all(
      commands.map(async (own, writer) => {
        for (let open = own; open.length > 0; open = own.filter(({ commandId }) => !answers.has(commandId))) {
          await write(writer, open, upTo(300));
        }
      }),
    );
    await restarting;
    expect(databaseKills).toBeGreaterThanOrEqual(3);
    expect(writerKills).toBeGreaterThanOrEqual(WRITERS);
    const outcomes = new Set([...answers.values()].map(({ outcome }) => outcome));
    expect([...outcomes].filter((outcome) => outcome !== 'appended' && outcome !== 'replayed')).toEqual([]);
  }, 240_000);

  it('gives the same answers when everything is sent again', async () => {
    const first = new Map(answers);
    await Promise.all(commands.map((own, writer) => write(writer, own, Infinity)));
    for (const [commandId, answer] of first) {
      expect(answers.get(commandId)).toEqual({ ...answer, outcome: 'replayed' });
    }
  }, 240_000);

  it('stored each command once, whole, where its answer said, and left no gap', async () => {
    const events = await readRawPage(admin, { after: 0n, limit: 100_000 });
    expect(events.map(({ position }) => position)).toEqual(events.map((_, index) => BigInt(index + 1)));
    const byCommand = Map.groupBy(events, ({ commandId }) => commandId);
    expect(byCommand.size).toBe(WRITERS * COMMANDS);
    for (const { commandId, streams, eventIds } of commands.flat()) {
      const stored = byCommand.get(commandId) ?? [];
      expect(stored.map(({ streamId, eventId }) => [streamId, eventId])).toEqual(
        streams.flatMap((stream, index) => (eventIds[index] ?? []).map((eventId) => [stream, eventId])),
      );
      const { firstPosition, lastPosition } = answers.get(commandId) ?? {};
      expect([`${stored[0]?.position}`, `${stored.at(-1)?.position}`]).toEqual([firstPosition, lastPosition]);
      expect((stored.at(-1)?.position ?? 0n) - (stored[0]?.position ?? 0n)).toBe(BigInt(stored.length - 1));
    }
    const versions = new Map<string, bigint>();
    let before = '';
    for (const event of events) {
      expect(event.version).toBe((versions.get(event.streamId) ?? 0n) + 1n);
      versions.set(event.streamId, event.version);
      expect(event.recordedAt >= before).toBe(true);
      before = event.recordedAt;
      expect(Buffer.from(event.leaf).equals(eventLeaf(ORIGIN, event))).toBe(true);
    }
    const { rows } = await admin.query('SELECT last_pos FROM es.log_head');
    expect(rows).toEqual([{ last_pos: `${events.length}` }]);
  });
});
