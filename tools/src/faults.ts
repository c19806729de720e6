import { join } from 'node:path';
import { run } from './step.js';
import { repositoryRoot } from './tidy/source-tree.js';

// The fault tests are compiled with the other whole-system tests; this is the door that `npm run faults` opens.
const root = repositoryRoot();
process.exitCode = await run(
  process.execPath,
  [join(root, 'tests', 'dist', 'faults', 'run.js'), ...process.argv.slice(2)],
  root,
);
