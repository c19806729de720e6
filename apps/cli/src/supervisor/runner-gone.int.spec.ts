import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { isAlive } from '@kontor/embedded';
import { afterEach, describe, expect, it } from 'vitest';

/** A program that watches over the npm that runs it, and says its process id and then its end. */
const PROGRAM = `
const { onRunnerGone } = await import(process.env.PROCESSES);
onRunnerGone(() => { console.log('gone'); process.exit(); });
setInterval(() => undefined, 1000);
console.log(process.pid);
`;

/** Stands for npm: runs a command line by a shell and waits for it. */
const NPM = `
import { spawn } from 'node:child_process';
spawn('/bin/sh', ['-c', process.argv[1]], { stdio: 'inherit' });
`;

const environment = {
  ...process.env,
  NODE: process.execPath,
  PROGRAM,
  PROCESSES: new URL('../../bin/processes.mjs', import.meta.url).href,
};
const AS_PROGRAM = '"$NODE" --input-type=module --eval "$PROGRAM"';

describe('a program that npm runs', () => {
  let npm: ChildProcess | undefined;
  let pid: number | undefined;
  afterEach(() => {
    npm?.kill('SIGKILL');
    if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL');
  });

  const start = async (commandLine: string) => {
    const args = ['--input-type=module', '--eval', NPM, commandLine];
    const child = spawn(process.execPath, args, { env: environment, stdio: ['ignore', 'pipe', 'ignore'] });
    npm = child;
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    pid = Number((await lines.next()).value);
    return { npm: child, pid, next: async () => (await lines.next()).value as unknown };
  };

  it.each([
    ['directly', `exec ${AS_PROGRAM}`],
    ['by a shell', `${AS_PROGRAM}; :`],
  ])('%s learns that npm was killed with -9', async (_, commandLine) => {
    const started = await start(commandLine);
    started.npm.kill('SIGKILL');
    expect(await started.next()).toBe('gone');
  });
});
