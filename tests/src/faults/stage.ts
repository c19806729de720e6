import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { embeddedConfig, lockDataDirectory, resolveNatsServer, startNats, startPostgres } from '@kontor/embedded';
import { createPool, LOGIN_ROLES, prepareDatabase } from '@kontor/event-store';
import { prng, type Prng } from '@kontor/testing';
import type pg from 'pg';
import { repositoryRoot } from '../platform.js';
import { check, type Evidence, type Verdict } from './checker.js';
import { type Operation, readHistory } from './history.js';
import { readLog } from './final-state.js';
import type { WriterOptions } from './writer.fixture.js';

export const ORIGIN = 'kontor.example/log/0';

/** What a fault test saw; it passes if there is no violation. */
export interface Report {
  readonly seen: string;
  readonly violations: readonly string[];
}

/** One of the fault tests, at full size or shortened. Its loops follow counts; no clock decides. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly run: (stage: Stage) => Promise<Report>;
}

/** This machine cannot do it; the message says why. */
export class Skipped extends Error {}

const silent = (): void => undefined;

/** A PostgreSQL that can be killed, for all scenarios of a run. */
export interface Servers {
  readonly directory: string;
  pgUrl(): string;
  pgPid(): number;
  /** SIGKILL of the postmaster if it still runs, then a new start on the same files and port. */
  killPostgres(): Promise<void>;
  /** A clean restart, for settings. */
  restartPostgres(): Promise<void>;
  close(): Promise<void>;
}

/** @param root where its files go; default: a temporary directory, which goes with it */
export const openServers = async (root?: string): Promise<Servers> => {
  const directory = root ?? (await mkdtemp(join(tmpdir(), 'kontor-faults-')));
  await chmod(directory, 0o711); // as root, PostgreSQL runs as another user, which must be able to enter
  const lock = await lockDataDirectory(directory);
  let server = await startPostgres({ dataDir: directory, log: silent });
  const startAgain = async (): Promise<void> => {
    await server.exited;
    server = await startPostgres({ dataDir: directory, log: silent, port: server.port });
  };
  return {
    directory,
    pgUrl: () => server.url,
    pgPid: () => server.pid,
    killPostgres: async () => {
      const isGone = await Promise.race([server.exited.then(() => true), Promise.resolve(false)]);
      if (!isGone) process.kill(server.pid, 'SIGKILL');
      await startAgain();
    },
    restartPostgres: async () => {
      await server.stop();
      await startAgain();
    },
    close: async () => {
      await server.stop();
      await lock.release();
      await rm(directory, { recursive: true, force: true });
    },
  };
};

/** An empty log in a database of its own. */
export interface Log {
  readonly database: string;
  /** As superuser. */
  readonly admin: pg.Pool;
  readonly urlFor: (role: string) => string;
  readonly pool: (role: string) => pg.Pool;
  /** Ends all sessions of these pools, so that the log can be copied. */
  readonly release: () => Promise<void>;
}

/** A nats-server that can be killed. */
export interface Nats {
  readonly url: string;
  readonly port: number;
  readonly storeDir: string;
  pid(): number;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** A child process that says a line per piece of work. */
export interface Program {
  readonly pid: number;
  /** Resolves when it has said `count` lines or has ended. */
  said(count: number): Promise<void>;
  lines(): number;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Resolves when it has ended well. @throws Error with its exit code and last words */
  finished(): Promise<void>;
}

// Below Vitest everything runs from source; only the endings of relative imports need help. `npm run faults` runs what is compiled.
const isSource = import.meta.filename.endsWith('.ts');
const hook = `import { registerHooks } from 'node:module';
  registerHooks({ resolve: (name, context, next) =>
    next(name.startsWith('.') && !context.parentURL?.includes('node_modules') ? name.replace(/\\.js$/, '.ts') : name, context) });`;
const SOURCE_FLAGS = [
  ...['--no-warnings', '--experimental-transform-types', '--conditions=@kontor/source'],
  ...['--import', `data:text/javascript,${encodeURIComponent(hook)}`],
];

/** Runs a program of the repository, from source or compiled as this one is. @param source below the root, `x/src/y.ts` */
export const spawnProgram = (source: string, args: readonly string[]): ChildProcess => {
  const file = isSource ? source : source.replace('/src/', '/dist/').replace(/\.ts$/, '.js');
  const flags = isSource ? SOURCE_FLAGS : [];
  return spawn(process.execPath, [...flags, join(repositoryRoot(), file), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
};

/** What one scenario works on. Everything that it opens is closed after it, the last thing first. */
export class Stage {
  readonly chance: Prng;
  readonly #closers: (() => Promise<unknown>)[] = [];
  #names = 0;

  constructor(
    readonly servers: Servers,
    readonly seed: number,
    /** The shortened set of `npm test`. */
    readonly isShort: boolean,
  ) {
    this.chance = prng(seed);
  }

  /** An integer from 1 to `limit`. */
  upTo(limit: number): number {
    return 1 + Math.floor(this.chance() * limit);
  }

  defer(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
  }

  path(name: string): string {
    this.#names += 1;
    return join(this.servers.directory, `${this.seed}-${process.hrtime.bigint()}-${this.#names}-${name}`);
  }

  /**
   * @param template a log to copy, with everything in it; nobody may be connected to it
   * @param pgUrl another server than that of all scenarios
   */
  async log(template?: Log, pgUrl = this.servers.pgUrl()): Promise<Log> {
    this.#names += 1;
    const database = `faults_${process.hrtime.bigint()}_${this.#names}`;
    const server = this.pool(pgUrl);
    if (template) await server.query(`CREATE DATABASE ${database} TEMPLATE ${template.database}`);
    const passwords = Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test']));
    const { urlFor } = await prepareDatabase({ adminUrl: pgUrl, database, passwords, origin: ORIGIN });
    const admin = this.pool(Object.assign(new URL(pgUrl), { pathname: database }).href);
    const pools = [admin];
    const pool = (role: string): pg.Pool => {
      const opened = this.pool(urlFor(role));
      pools.push(opened);
      return opened;
    };
    const release = async (): Promise<void> => {
      for (const one of pools) if (!one.ended) await one.end();
    };
    return { database, admin, urlFor, pool, release };
  }

  pool(connectionString: string): pg.Pool {
    const pool = createPool({ connectionString });
    this.defer(async () => {
      if (!pool.ended) await pool.end();
    });
    return pool;
  }

  async nats(): Promise<Nats> {
    const dataDir = await mkdtemp(join(tmpdir(), 'kontor-faults-'));
    const lock = await lockDataDirectory(dataDir);
    const { path: binary } = await resolveNatsServer({ dataDir, config: embeddedConfig(), log: silent });
    let server = await startNats({ dataDir, binary, log: silent });
    this.defer(async () => {
      await server.stop();
      await lock.release();
      await rm(dataDir, { recursive: true, force: true });
    });
    const { url, port } = server;
    return {
      url,
      port,
      storeDir: join(dataDir, 'nats', 'jetstream'),
      pid: () => server.pid,
      kill: async () => {
        process.kill(server.pid, 'SIGKILL');
        await server.exited;
      },
      start: async () => {
        server = await startNats({ dataDir, binary, log: silent, port });
      },
    };
  }

  writer(options: WriterOptions): Program {
    return this.program('writer', options);
  }

  program(name: 'writer' | 'consumer', options: object): Program {
    const child = spawnProgram(`tests/src/faults/${name}.fixture.ts`, [JSON.stringify(options)]);
    let lines = 0;
    let words = '';
    let isEnded = false;
    const waiting = new Set<() => void>();
    const wake = (): void => {
      for (const look of waiting) look();
    };
    if (!child.stdout || !child.stderr) throw new Error('no pipes');
    child.stderr.on('data', (chunk: Buffer) => (words = `${words}${chunk.toString()}`.slice(-2_000)));
    createInterface({ input: child.stdout }).on('line', () => {
      lines += 1;
      wake();
    });
    const ended = once(child, 'close').then(([code, signal]) => {
      isEnded = true;
      wake();
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
    this.defer(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    return {
      pid: child.pid ?? 0,
      lines: () => lines,
      said: (count) =>
        new Promise((resolve) => {
          const look = (): void => {
            if (lines < count && !isEnded) return;
            waiting.delete(look);
            resolve();
          };
          waiting.add(look);
          look();
        }),
      kill: (signal) => void child.kill(signal),
      ended,
      finished: async () => {
        const { code, signal } = await ended;
        if (code !== 0) throw new Error(`the ${name} ended with ${signal ?? code}: ${words}`);
      },
    };
  }

  /** Reads what is there in the end, and holds it against what the clients wrote down. */
  async verdict(
    log: Log,
    histories: readonly string[],
    copies: Omit<Evidence, 'history' | 'log'> = {},
  ): Promise<Verdict> {
    const history: Operation[] = histories.filter(existsSync).flatMap(readHistory);
    return check({ history, log: await readLog(log.admin), ...copies });
  }
}

const grouped = (count: number): string => count.toLocaleString('en');

/** @param isHit whether the fault struck at all: a test in which nothing went wrong shows nothing */
export const report = (seen: string, verdict: Verdict, isHit = true): Report => {
  const { acknowledged, refused, recovered, unknown, events } = verdict;
  const counts = `${grouped(acknowledged)} acknowledged, ${grouped(refused)} refused, ${recovered} recovered, ${unknown} unknown, ${grouped(events)} events`;
  const missed = isHit ? [] : [`the fault did not strike: ${seen}`];
  return { seen: `${seen}; ${counts}`, violations: [...verdict.violations, ...missed] };
};
