#!/usr/bin/env node
// The program itself is one file without imports but Node's own, so that an auditor can take it along.
import { existsSync } from 'node:fs';

const program = new URL('../dist/kontor-verify.mjs', import.meta.url);
if (existsSync(program)) await import(program.href);
else {
  console.error('kontor-verify: not bundled yet. Run "npm start" once');
  process.exitCode = 1;
}
