#!/usr/bin/env node
// Plain JavaScript, because an older Node may run it: then it hands over to the Node of the workspace.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onRunnerGone } from './processes.mjs';

const NODE_MAJOR = 24;
const SIGNAL_EXIT_BASE = 128;
const main = new URL('../dist/main.js', import.meta.url);

// npx: npm runs this file.
if (process.env.npm_command === 'exec') onRunnerGone(() => process.kill(process.pid, 'SIGTERM'));

if (!existsSync(main)) {
  console.error('kontor: not compiled yet. Run "npm start" once, or "npx tsc -b"');
  process.exitCode = 1;
} else if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) {
  await import(main.href);
} else {
  const directory = dirname(createRequire(import.meta.url).resolve('node/package.json'));
  const node = join(directory, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  // With a channel: the command ends when this process is gone, however it died.
  const stdio = ['inherit', 'inherit', 'inherit', 'ipc'];
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  if (process.channel) process.once('disconnect', () => child.disconnect());
  child.once('exit', (code, signal) => {
    process.exit(code ?? SIGNAL_EXIT_BASE + (signal === 'SIGKILL' ? 9 : 15));
  });
}
