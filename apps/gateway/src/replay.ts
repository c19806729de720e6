import { upcasters } from '@kontor/domain/contexts';
import { createPool, type ReadModelVerdict, verifyReadModels } from '@kontor/event-store';
import { ConfigError, openProgress } from '@kontor/service/process';
import { replayConfig } from './config.js';
import { SCHEMA } from './gateway.js';
import { entities } from './graphql/entities.js';

const NAME_CELLS = 20;
const HASH_DIGITS = 16;

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const lineOf = ({ name, expected, stored, equal, firstDifference: first }: ReadModelVerdict): string => {
  const line = `${name.padEnd(NAME_CELLS)} ${String(stored.rows).padStart(9)} rows  ${stored.sha256.slice(0, HASH_DIGITS)}  `;
  if (equal) return `${line}identical`;
  const where = first ? `: row ${first.key} of ${first.validFrom} is ${first.problem}` : '';
  return `${line}DIFFERENT from the log (${expected.rows} rows, ${expected.sha256.slice(0, HASH_DIGITS)})${where}`;
};

/** Folds the log from zero beside the live read models and compares every row. @returns the exit code: 0 if all are identical. */
const replay = async (): Promise<number> => {
  if (process.argv[2] !== '--verify' || process.argv.length !== 3) {
    process.stderr.write('usage: replay --verify\n');
    return 2;
  }
  const pool = createPool({ connectionString: replayConfig().pgUrl, application_name: 'kontor-replay' });
  const progress = openProgress();
  try {
    const verdicts = await verifyReadModels({
      pool,
      schema: SCHEMA,
      readModels: entities,
      upcasters,
      onProgress: ({ name, position, upTo }) => progress.show(name.padEnd(NAME_CELLS), position, upTo),
    });
    progress.end();
    for (const verdict of verdicts) print(lineOf(verdict));
    const different = verdicts.filter(({ equal }) => !equal).length;
    const positions = new Set(verdicts.map(({ position }) => String(position)));
    print(`${verdicts.length} read models at position ${[...positions].join(', ')}: ${different} differ from the log`);
    return different === 0 ? 0 : 1;
  } finally {
    await pool.end();
  }
};

try {
  process.exitCode = await replay();
} catch (error) {
  process.stderr.write(`replay: ${error instanceof ConfigError ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
