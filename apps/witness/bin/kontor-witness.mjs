#!/usr/bin/env node
import { existsSync } from 'node:fs';

/** Its memory is node:sqlite. */
const NODE_MAJOR = 24;

const program = new URL('../dist/kontor-witness.mjs', import.meta.url);
if (Number.parseInt(process.versions.node) < NODE_MAJOR) {
  console.error(`kontor-witness: needs Node ${NODE_MAJOR} or newer, this is ${process.versions.node}`);
  process.exitCode = 1;
} else if (existsSync(program)) await import(program.href);
else {
  console.error('kontor-witness: not bundled yet. Run "npm start" once');
  process.exitCode = 1;
}
