import { upcasters } from '@kontor/domain/contexts';
import { createPool, type Parity, rebuildReadModel, type RebuildProgress, type RowsDigest } from '@kontor/event-store';
import { ConfigError, openProgress } from '@kontor/service/process';
import { replayConfig } from './config.js';
import { SCHEMA } from './gateway.js';
import { entities } from './graphql/entities.js';

const HASH_DIGITS = 16;

const STAGES: Readonly<Record<RebuildProgress['stage'], string>> = {
  fold: 'reads the log',
  index: 'makes indexes',
  follow: 'follows the log',
  compare: 'compares',
  swap: 'swaps',
};

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const digestLine = ({ rows, sha256 }: RowsDigest): string => `${rows} rows  ${sha256.slice(0, HASH_DIGITS)}`;

const parityLine = (parity: Parity | undefined): string => {
  if (parity === undefined) return 'not comparable: no rows of this version and shape served before';
  const { position, served, built, equal, firstDifference: first } = parity;
  if (equal) return `${digestLine(built)}  identical to the rows that served, at position ${position}`;
  const where = first ? `: row ${first.key} of ${first.validFrom} was ${first.problem}` : '';
  return `${digestLine(built)}  the rows that served were DIFFERENT (${digestLine(served)}) at position ${position}${where}`;
};

/**
 * Makes one read model anew beside the live one, compares and swaps.
 *
 * @returns the exit code: 0; 1 if the rows that it replaced were not what the log gives; 2 for a wrong name.
 */
const rebuild = async (): Promise<number> => {
  const [name, ...more] = process.argv.slice(2);
  const entity = entities.find(({ projection }) => projection.name === name);
  if (entity === undefined || more.length > 0) {
    const allowed = entities.map(({ projection }) => projection.name).join(', ');
    process.stderr.write(`rebuild: "${name ?? ''}" is no read model; allowed are ${allowed}\n`);
    return 2;
  }
  const pool = createPool({ connectionString: replayConfig().pgUrl, application_name: 'kontor-rebuild' });
  const progress = openProgress();
  try {
    const { version, position, parity } = await rebuildReadModel(
      {
        pool,
        schema: SCHEMA,
        upcasters,
        onProgress: ({ stage, position: reached, upTo }) => progress.show(`${name} ${STAGES[stage]}`, reached, upTo),
      },
      entity,
    );
    progress.end();
    print(`${name} version ${version} serves from position ${position}`);
    print(parityLine(parity));
    return parity === undefined || parity.equal ? 0 : 1;
  } finally {
    await pool.end();
  }
};

try {
  process.exitCode = await rebuild();
} catch (error) {
  process.stderr.write(`rebuild: ${error instanceof ConfigError ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
