import { openProgress } from '@kontor/service/process';
import { countHere } from '../importing/count-here.js';
import { compare, type Count } from '../importing/counts.js';
import { Destination } from '../importing/destination.js';
import { RegistryImport } from '../importing/import-registry.js';
import { openRegistry } from '../importing/mlflow-registry.js';
import { MlflowServer } from '../importing/mlflow-server.js';
import { notImported } from '../importing/not-imported.js';
import { print } from '../print.js';
import { CommandFailed } from '../usage-error.js';

/** Refusals that are named; of more there is a number. */
const REFUSED_SHOWN = 20;

export interface ImportRequest {
  /** Without credentials and without a slash at the end. */
  readonly from: string;
  readonly authorization: string | undefined;
  /** Of Kontor, with the workspace. */
  readonly to: string;
  readonly token: () => Promise<string>;
  readonly withArtifacts: boolean;
}

/**
 * `kontor import mlflow`: appends the history of another tracking server.
 *
 * @returns the exit code: 0 only if everything is here and both sides count the same.
 * @throws CommandFailed with what is wrong with a side, and how to go on
 */
export const importMlflow = async (request: ImportRequest): Promise<number> => {
  const { from, to, authorization, token, withArtifacts } = request;
  const startedMs = performance.now();
  const source = await openRegistry(new MlflowServer({ uri: from, authorization: async () => authorization }));
  const kontor = new MlflowServer({ uri: to, authorization: async () => `Bearer ${await token()}` });
  const here = await openRegistry(kontor);
  // Before anything is written: a source that cannot be read leaves no trace.
  await source.experiments();
  const destination = await Destination.open(kontor, from);
  const progress = openProgress('items');
  try {
    const options = { source, here, destination, withArtifacts, progress };
    const imported = await new RegistryImport(options).all();
    const importedMs = performance.now() - startedMs;
    const counts = compare(imported.tally, await countHere(here, imported, { withArtifacts, progress }));
    await destination.complete(counts);
    const left = await notImported(source.server, [...imported.experiments.keys()]);
    progress.end();
    for (const [original, id] of imported.experiments)
      if (original !== id) print(`experiment ${original} of the source is experiment ${id} here`);
    printCounts(counts);
    if (!withArtifacts) print('files are left out, as --without-artifacts says');
    if (left.length > 0) print(`not imported: ${left.join(', ')}`);
    printRefused(destination);
    printRates(counts, destination.newEvents, importedMs);
    return destination.refused.length > 0 || counts.some(({ atSource, here: found }) => atSource !== found) ? 1 : 0;
  } catch (error) {
    progress.end();
    if (!(error instanceof CommandFailed)) throw error;
    const message = `${error.message}; what was imported stays: run the same command again to go on`;
    throw new CommandFailed(message, { cause: error.cause });
  }
};

const printCounts = (counts: readonly Count[]): void => {
  const width = Math.max(20, ...counts.map(({ what }) => what.length));
  print(`${''.padEnd(width)}  ${'source'.padStart(12)}  ${'here'.padStart(12)}`);
  for (const { what, atSource, here } of counts) {
    const [a, b] = [atSource, here].map((count) => count.toLocaleString('en').padStart(12));
    print(`${what.padEnd(width)}  ${a}  ${b}${atSource === here ? '' : '  differs'}`);
  }
};

const printRefused = ({ refused }: Destination): void => {
  for (const { name, code, message } of refused.slice(0, REFUSED_SHOWN))
    print(`refused: ${name}: ${message} (${code})`);
  if (refused.length > REFUSED_SHOWN) print(`refused: ${refused.length - REFUSED_SHOWN} more`);
  if (refused.some(({ code }) => code === 'NAME_TAKEN' || code === 'NUMBER_TAKEN'))
    print('What has a name that is taken here can be imported into a workspace of its own: --workspace <name>');
};

const printRates = (counts: readonly Count[], newEvents: number, elapsedMs: number): void => {
  const of = (kind: string) => counts.find(({ what }) => what === kind)?.atSource ?? 0;
  const perSecond = (kind: string) => Math.round((of(kind) / elapsedMs) * 1000).toLocaleString('en');
  print(
    `${newEvents.toLocaleString('en')} new events in ${Math.ceil(elapsedMs / 1000)} s: ` +
      `${perSecond('runs')} runs/s, ${perSecond('metric points')} metric points/s`,
  );
};
