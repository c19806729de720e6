import type { ExperimentRow } from '../registry/experiments.projection.js';
import { experimentEntity } from '../registry/registry.entities.js';
import type { MlflowCall } from './call.js';
import { defaultLocation } from './experiments.js';
import { type Import, type Outcome, settle, submit } from './import-send.js';
import { rowsOf } from './rows-of.js';

interface SourceExperiment {
  readonly experiment_id: string;
  readonly name: string;
  readonly artifact_location: string | undefined;
  readonly created_at: string | undefined;
  readonly updated_at: string;
  readonly tags: readonly { readonly key: string; readonly value: string | undefined }[];
}

/** The number that exists in every workspace from the start. */
const FIRST = '0';

const NUMBER = /^(?:0|[1-9]\d{0,17})$/;

/** A number for an experiment whose own one is taken: above all that are here, or come from the source. */
const nextNumber = (taken: ReadonlySet<string>, wanted: readonly string[]): string => {
  const numbers = [...taken, ...wanted].filter((id) => NUMBER.test(id)).map(BigInt);
  return String(numbers.reduce((a, b) => (a > b ? a : b), 0n) + 1n);
};

/**
 * Takes over experiments under their own numbers, or under new ones where another experiment has the number. The number
 * that was chosen stands in the event, so the next go finds it. Experiment 0 is the one of the workspace.
 *
 * @param experiments all of the source: a new number is none of theirs.
 * @returns for each its number here, or why it was not taken.
 */
export const importExperiments = async (
  call: MlflowCall,
  of: Import,
  experiments: readonly SourceExperiment[],
): Promise<object> => {
  const rows = await rowsOf(await call.rows(), experimentEntity, {}, 'key');
  const byId = new Map(rows.map((row) => [row.experimentId, row]));
  const imported = new Map(
    rows.flatMap((row) =>
      row.importedFrom?.importId === of.importId ? [[row.importedFrom.experimentId, row] as const] : [],
    ),
  );
  const taken = new Set(byId.keys());
  const wanted = experiments.map(({ experiment_id }) => experiment_id);
  const answers: object[] = [];
  const outcomes: Outcome[] = [];
  for (const experiment of experiments) {
    const { experiment_id: original } = experiment;
    const before = imported.get(original);
    const isFree = NUMBER.test(original) && !taken.has(original);
    const merges = before === undefined && original === FIRST && !isFree;
    const experimentId = before?.experimentId ?? (isFree || merges ? original : nextNumber(taken, wanted));
    const there = merges ? byId.get(original) : before;
    const created = merges ? undefined : await create(call, of, experiment, experimentId);
    if (created) outcomes.push(created);
    if (created && 'code' in created && created.code !== 'EXPERIMENT_EXISTS') {
      answers.push(created);
      continue;
    }
    taken.add(experimentId);
    const isChanged = there !== undefined && (merges || (created !== undefined && 'code' in created));
    const changes = isChanged ? await update(call, of, experiment, there, merges) : [];
    outcomes.push(...changes);
    const refused = changes.find((outcome) => 'code' in outcome);
    answers.push({ experiment_id: experimentId, ...refused });
  }
  await settle(call, outcomes);
  return { experiments: answers, outcomes };
};

const create = async (
  call: MlflowCall,
  of: Import,
  { experiment_id, name, artifact_location, created_at, updated_at, tags }: SourceExperiment,
  experimentId: string,
): Promise<Outcome> => {
  const artifactLocation = artifact_location ?? (await defaultLocation(call, experimentId));
  const data = {
    ...{ experimentId, name, artifactLocation, tags: tags.map(({ key, value = '' }) => ({ key, value })) },
    importedFrom: { importId: of.importId, updatedAt: updated_at, experimentId: experiment_id },
  };
  return submit(call, of, 'CreateExperiment', data, created_at);
};

/** What has changed at the source since it was imported. */
const update = async (
  call: MlflowCall,
  of: Import,
  { name, updated_at, tags }: SourceExperiment,
  { experimentId, name: previousName, tags: known }: ExperimentRow,
  merges: boolean,
): Promise<Outcome[]> => {
  const outcomes: Outcome[] = [];
  if (!merges && name !== previousName)
    outcomes.push(await submit(call, of, 'RenameExperiment', { experimentId, name, previousName }, updated_at));
  for (const { key, value = '' } of tags) {
    if (known.some((tag) => tag.key === key && tag.value === value)) continue;
    outcomes.push(await submit(call, of, 'SetExperimentTag', { experimentId, key, value }, updated_at));
  }
  return outcomes;
};
