import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

describe('runProcess', () => {
  // Node runs the source itself; only the endings of relative imports need help.
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ resolve: (name, context, next) =>
      next(name.startsWith('.') && context.parentURL?.endsWith('.ts') ? name.replace(/\\.js$/, '.ts') : name, context) });`;
  const run = (environment: Record<string, string>): { child: ChildProcess; output: () => string } => {
    const child = fork(join(import.meta.dirname, 'process.fixture.ts'), {
      execArgv: ['--no-warnings', '--import', `data:text/javascript,${encodeURIComponent(hook)}`],
      // Read, and not connected to.
      env: { KONTOR_PG_URL: 'postgres://127.0.0.1:1/none', KONTOR_NATS_URL: 'nats://127.0.0.1:1', ...environment },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const chunks: unknown[] = [];
    child.stderr?.on('data', (chunk) => chunks.push(chunk));
    return { child, output: () => chunks.join('') };
  };

  it('ends with code 2 and the name of the variable for a wrong setting', async () => {
    const { child, output } = run({ KONTOR_HEALTH_PORT: 'x' });
    expect(await once(child, 'close')).toEqual([2, null]);
    expect(output()).toBe('KONTOR_HEALTH_PORT is "x": must be a port from 0 to 65535\n');
  });

  it.each<[string, (child: ChildProcess) => void]>([
    ['SIGTERM', (child) => child.kill('SIGTERM')],
    ['SIGINT', (child) => child.kill('SIGINT')],
    ['the end of the channel to its parent', (child) => child.disconnect()],
  ])('tells its parent when it is ready, and ends with code 0 after %s', async (_, end) => {
    const { child, output } = run({});
    expect(await once(child, 'message')).toEqual([{ ready: true, addresses: { spec: 'http://127.0.0.1' } }, undefined]);
    end(child);
    // Not `close`: Node does not tell it after a disconnect.
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(output()).toBe('');
  });
});
