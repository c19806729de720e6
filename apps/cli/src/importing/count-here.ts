import type { Progress } from '@kontor/service/process';
import { Tally } from './counts.js';
import { type Imported, nameAndTime } from './import-registry.js';
import { inBatches, inParallel } from './in-order.js';
import { BULK_RUNS, type Histories, type MlflowRegistry, type Owner, REQUESTS_AT_ONCE } from './mlflow-registry.js';
import type { Run } from './mlflow-shapes.js';

/** Counts what was imported as it is here now, by the same calls by which the source was read. */
export const countHere = async (
  here: MlflowRegistry,
  imported: Imported,
  { withArtifacts, progress }: { readonly withArtifacts: boolean; readonly progress: Progress },
): Promise<Tally> => {
  const tally = new Tally();
  const experimentIds = new Set(imported.experiments.values());
  for (const experiment of await here.experiments())
    if (experimentIds.has(experiment.experiment_id)) tally.experiment(experiment);

  const countFiles = async (owner: Owner): Promise<void> => {
    if (withArtifacts) for await (const { sizeBytes } of here.files(owner)) tally.file(sizeBytes);
  };
  const countRun = async (found: Run, histories: Histories): Promise<void> => {
    const run = await here.whole(found);
    tally.run(run);
    for await (const points of here.points(run, histories)) tally.add('metric points', points.length);
    await countFiles({ runId: run.info.run_id });
  };
  let done = 0n;
  progress.show('counting', done, BigInt(imported.runs.size));
  for await (const page of here.runs([...experimentIds])) {
    const runs = page.filter(({ info }) => imported.runs.has(info.run_id));
    for (const chunk of inBatches(runs, BULK_RUNS)) {
      const histories = await here.histories(chunk);
      await inParallel(chunk, REQUESTS_AT_ONCE, (run) => countRun(run, histories));
      done += BigInt(chunk.length);
      progress.show('counting', done, BigInt(imported.runs.size));
    }
  }
  for await (const page of here.loggedModels([...experimentIds])) {
    const models = page.filter(({ info }) => imported.loggedModels.has(info.model_id));
    models.forEach((model) => tally.loggedModel(model));
    await inParallel(models, REQUESTS_AT_ONCE, ({ info }) => countFiles({ loggedModelId: info.model_id }));
  }
  for await (const page of here.models())
    for (const model of page) if (imported.models.has(nameAndTime(model))) tally.registeredModel(model);
  for await (const page of here.versions())
    for (const version of page) if (imported.versions.has(nameAndTime(version))) tally.version(version);
  return tally;
};
