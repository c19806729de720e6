import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { isAlive } from './process-identity.js';

/** A parent that holds one child on the leash, says both process ids, and each new one of the watcher. */
const PARENT = `
import { spawn } from 'node:child_process';
const { hold, leashPid } = await import(process.argv[1]);
const child = spawn(process.argv[2], process.argv.slice(3), { detached: true, stdio: 'ignore' });
hold(child.pid);
let said;
setInterval(() => {
  if (leashPid() === said) return;
  said = leashPid();
  console.log(JSON.stringify({ child: child.pid, leash: said }));
}, 10);
`;

const gone = async (pid: number): Promise<void> => {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
};

describe('the leash', () => {
  let parent: ChildProcess | undefined;
  afterEach(() => parent?.kill('SIGKILL'));

  const startParent = (...command: string[]) => {
    const source = new URL('./leash.ts', import.meta.url).href;
    const args = ['--input-type=module', '--eval', PARENT, '--', source, ...command];
    const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    parent = started;
    const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<{ child: number; leash?: number }> => {
      const line = await lines.next();
      if (line.done) throw new Error('the parent ended');
      return JSON.parse(line.value) as { child: number; leash?: number };
    };
    return { next, killed: async () => (started.kill('SIGKILL'), await once(started, 'exit')) };
  };

  it('ends the children of a parent that is killed with -9', async () => {
    const { next, killed } = startParent('sleep', '600');
    const { child, leash } = await next();
    expect([isAlive(child), isAlive(leash ?? 0)]).toEqual([true, true]);
    await killed();
    await gone(child);
    await gone(leash ?? 0);
  });

  it('is replaced when it is killed itself, and then still ends the children', async () => {
    const { next, killed } = startParent('sleep', '600');
    const first = await next();
    process.kill(first.leash ?? 0, 'SIGKILL');
    let second = await next();
    while (second.leash === undefined) second = await next();
    expect(second.leash).not.toBe(first.leash);
    expect(isAlive(first.child)).toBe(true);
    await killed();
    await gone(first.child);
  });

  it('kills a child that does not listen', async () => {
    const { next, killed } = startParent('/bin/sh', '-c', `trap '' INT TERM; while :; do sleep 1; done`);
    const { child } = await next();
    await killed();
    await gone(child);
  });
});
