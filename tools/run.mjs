// The way in: every npm script calls this file. It runs on Node 20, before anything is installed, so it is plain JavaScript and
// imports no package. It installs what is missing, compiles what has changed, and hands over to the target
// under the Node of the workspace. Signals and exit codes pass through.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { isRunning, nameProcess, onRunnerGone } from '../apps/cli/bin/processes.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const nodeBin = join(root, 'node_modules', 'node', 'bin');
const node = join(nodeBin, process.platform === 'win32' ? 'node.exe' : 'node');
const stamp = join(root, 'node_modules', '.kontor-installed');
const lock = join(root, '.nx', 'run.lock');

const MINIMUM = { node: 20, npm: 10 };

const LOCK_POLL_MS = 300;

/** Exit code of a process that a signal ended, as shells report it. */
const SIGNAL_EXIT_BASE = 128;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

// `ipc`: the target ends when this process is gone, however it died. `compile`: the target reads dist.
const TARGETS = {
  start: { args: ['apps/cli/bin/kontor.mjs', 'up'], ipc: true, compile: true },
  demo: { args: ['apps/cli/bin/kontor.mjs', 'demo'], ipc: true, compile: true },
  test: { args: ['tools/dist/test.js'], ipc: false, compile: true },
  check: { args: ['tools/dist/check.js'], ipc: false, compile: true },
  bench: { args: ['tests/dist/bench/run.js'], ipc: false, compile: true },
  sim: { args: ['tests/dist/sim/run.js'], ipc: false, compile: true },
  faults: { args: ['tests/dist/faults/run.js'], ipc: false, compile: true },
  spec: { args: ['node_modules/vitest/vitest.mjs', 'run', '--project', 'spec'], ipc: false, compile: false },
};

/** A reason to stop that a person can do something about. */
class Refusal extends Error {}

/** npm tells its scripts which npm runs them; without npm (`node tools/run.mjs start`) the one on PATH is used. */
const npm = () => {
  const script = process.env.npm_execpath;
  if (script && /\.c?js$/.test(script)) return { command: process.execPath, args: [script], shell: false };
  return { command: 'npm', args: [], shell: process.platform === 'win32' };
};

const requireVersions = () => {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < MINIMUM.node)
    throw new Refusal(
      `Node ${process.versions.node} is too old: Kontor needs Node >= ${MINIMUM.node}. Install one from https://nodejs.org`,
    );
};

const requireNpm = () => {
  const { command, args, shell } = npm();
  const { stdout, error } = spawnSync(command, [...args, '--version'], { encoding: 'utf8', shell });
  if (error) throw new Refusal(`npm does not run (${error.message}): Kontor needs npm >= ${MINIMUM.npm}`);
  if (!(Number(stdout.split('.')[0]) >= MINIMUM.npm))
    throw new Refusal(
      `npm ${stdout.trim()} is too old: Kontor needs npm >= ${MINIMUM.npm}. Run: npm install --global npm@${MINIMUM.npm}`,
    );
};

/** What is installed depends on the lock file and on the machine: a directory that was copied to another one does not fit. */
const wantedStamp = () => {
  const content = readFileSync(join(root, 'package-lock.json'));
  return `${createHash('sha256').update(content).digest('hex')} ${process.platform}-${process.arch}\n`;
};

const isInstalled = () => existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wantedStamp();

/** Removes the lock that `text` stood in. Renamed first, so that only one of several removes it. */
const removeStale = (text) => {
  const aside = `${lock}.${process.pid}`;
  try {
    renameSync(lock, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  const isAnother = readFileSync(aside, 'utf8') !== text;
  if (isAnother && !existsSync(lock)) linkSync(aside, lock); // somebody else was faster: it is theirs now
  rmSync(aside);
};

const draft = `${lock}.draft-${process.pid}`;

/** @returns whether the lock was free */
const takeLock = () => {
  try {
    mkdirSync(dirname(lock), { recursive: true });
    writeFileSync(draft, `${nameProcess(process.pid)}\n`);
    linkSync(draft, lock);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw new Refusal(`${root} cannot be written to (${error.message}): Kontor installs and compiles in its clone`);
  } finally {
    rmSync(draft, { force: true });
  }
};

/** Installing and compiling write where a second start in the same clone would read. */
const withLock = async (body) => {
  let isWaiting = false;
  while (!takeLock()) {
    try {
      const text = readFileSync(lock, 'utf8');
      const isHeld = text.split(/\s+/).filter(Boolean).some(isRunning);
      if (!isHeld) {
        removeStale(text);
        continue;
      }
      if (!isWaiting) console.log(`process ${text.split('@')[0]} is installing or compiling here: waiting for it`);
      isWaiting = true;
    } catch (error) {
      if (error.code !== 'ENOENT') throw error; // released in between
      continue;
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
  try {
    return await body();
  } finally {
    rmSync(lock, { force: true });
  }
};

/** Below the lock: it names this process and the program that works for it, which lives on if this one is killed. */
const noteInLock = (pid) => {
  writeFileSync(draft, `${nameProcess(process.pid)} ${nameProcess(pid)}\n`);
  renameSync(draft, lock); // a reader sees the old or the new content
};

/** Runs a program to its end. @returns its exit code */
const run = (command, args, { started = () => {}, ...options } = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    child.once('spawn', () => started(child.pid));
    // A child in the same terminal gets Ctrl-C by itself; a signal for this process alone has to be handed on.
    const forward = (signal) => child.kill(signal);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(name, forward);
      resolve(code ?? SIGNAL_EXIT_BASE + (SIGNALS[signal] ?? 0));
    });
  });

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

const install = async () => {
  if (isInstalled()) return;
  requireNpm();
  const since = performance.now();
  console.log('installing dependencies (npm ci)');
  rmSync(stamp, { force: true }); // whatever interrupts this, the next start installs again
  const { command, args, shell } = npm();
  // npm before 11 knows no allow-list of install scripts; this keeps onnxruntime-node's from fetching GPU libraries.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const code = await run(command, [...args, 'ci', '--loglevel=error'], { env, shell, started: noteInLock });
  if (code !== 0) throw new Refusal(`npm ci ended with exit code ${code}; the next start tries again`);
  if (!existsSync(node))
    throw new Refusal(`${node} is missing after npm ci: were install scripts switched off? Run: npm rebuild node`);
  writeFileSync(stamp, wantedStamp());
  console.log(`installed in ${seconds(since)}`);
};

const compile = async () => {
  const since = performance.now();
  if (!existsSync(join(root, 'apps', 'cli', 'dist'))) console.log('compiling; the first time it takes a minute');
  const code = await run(node, [join('node_modules', 'typescript', 'bin', 'tsc'), '-b'], { started: noteInLock });
  if (code !== 0) throw new Refusal(`tsc -b ended with exit code ${code}`);
  console.log(`compiled in ${seconds(since)}`);
};

/** What Vite makes: the explorer as files that need no network, the verifier and the witness as one file each. */
const BUNDLES = [
  {
    name: 'the explorer',
    config: 'apps/gateway/explorer.vite.config.mjs',
    made: 'apps/gateway/assets/explorer/index.html',
    from: ['explorer.js', 'index.html', 'public/frame.css'].map((file) => `apps/gateway/src/explorer/${file}`),
  },
  {
    name: 'the verifier',
    config: 'apps/verifier/verifier.vite.config.mjs',
    made: 'apps/verifier/dist/kontor-verify.mjs',
    from: ['apps/verifier/tsconfig.tsbuildinfo', 'libs/transparency-log/tsconfig.tsbuildinfo'],
  },
  {
    name: 'the witness',
    config: 'apps/witness/witness.vite.config.mjs',
    made: 'apps/witness/dist/kontor-witness.mjs',
    from: ['apps/witness/tsconfig.tsbuildinfo', 'libs/transparency-log/tsconfig.tsbuildinfo'],
  },
];

/** A bundle is made anew when its sources, its build file or the packages that the lock file names have changed. */
const bundle = async ({ name, config, made, from }) => {
  const changedAt = (file) => statSync(join(root, file)).mtimeMs;
  const sources = ['package-lock.json', config, ...from];
  if (existsSync(join(root, made)) && sources.every((file) => changedAt(file) <= changedAt(made))) return;
  const since = performance.now();
  const vite = join('node_modules', 'vite', 'bin', 'vite.js');
  const args = ['build', '--config', config, '--logLevel', 'error'];
  const code = await run(node, [vite, ...args], { started: noteInLock });
  if (code !== 0) throw new Refusal(`the bundle of ${name} ended with exit code ${code}`);
  console.log(`bundled ${name} in ${seconds(since)}`);
};

const main = async () => {
  const [name = '', ...rest] = process.argv.slice(2);
  const target = Object.hasOwn(TARGETS, name) ? TARGETS[name] : undefined;
  if (!target) throw new Refusal(`unknown target "${name}", allowed: ${Object.keys(TARGETS).join(', ')}`);
  requireVersions();
  // As if npm had handed it on: what runs below ends, then this program.
  if (process.env.npm_lifecycle_event === name) onRunnerGone(() => process.kill(process.pid, 'SIGTERM'));
  await withLock(async () => {
    await install();
    if (!target.compile) return;
    await compile();
    for (const one of BUNDLES) await bundle(one);
  });
  const env = { ...process.env, PATH: `${nodeBin}${delimiter}${process.env.PATH}` };
  const stdio = target.ipc ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit';
  process.exitCode = await run(node, [...target.args, ...rest], { env, stdio });
};

main().catch((error) => {
  console.error(error instanceof Refusal ? `kontor: ${error.message}` : error);
  process.exitCode = 1;
});
