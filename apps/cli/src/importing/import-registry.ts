import type { Progress } from '@kontor/service/process';
import { Tally } from './counts.js';
import type { Destination, ExperimentMap } from './destination.js';
import { copyFiles, type Copied } from './files.js';
import { inBatches, inOrder, inParallel } from './in-order.js';
import { LoggedPoints } from './logged-points.js';
import { BULK_RUNS, type Histories, type MlflowRegistry, REQUESTS_AT_ONCE } from './mlflow-registry.js';
import type { Experiment, LoggedModel, RegisteredModel, Run, Version } from './mlflow-shapes.js';
import {
  endOfLoggedModel,
  endOfRun,
  type ImportCommand,
  isCopied,
  pointCommands,
  registeredModel,
  startOfLoggedModel,
  startOfRun,
} from './to-commands.js';

/** While these are sent, and their files copied, the next ones are read. */
const CHUNKS_AT_ONCE = 2;
/** Commands of one run that are held before they are sent: about as many megabytes as ten requests. */
const COMMANDS_HELD = 300;

export interface ImportOptions {
  readonly source: MlflowRegistry;
  readonly here: MlflowRegistry;
  readonly destination: Destination;
  readonly withArtifacts: boolean;
  readonly progress: Progress;
}

/** What was read of the source, to be found here again. */
export interface Imported {
  readonly tally: Tally;
  readonly experiments: ExperimentMap;
  readonly runs: ReadonlySet<string>;
  readonly loggedModels: ReadonlySet<string>;
  /** As {@link nameAndTime} tells them from others of the same name that are here. */
  readonly models: ReadonlySet<string>;
  readonly versions: ReadonlySet<string>;
}

/** A model or version, and not another one that has its name or number here. */
export const nameAndTime = (one: RegisteredModel | Version): string =>
  JSON.stringify([one.name, 'version' in one ? one.version : 0, one.creation_timestamp]);

const isDeleted = ({ lifecycle_stage }: Experiment): boolean => lifecycle_stage === 'deleted';

/** One go of an import: everything of the source, read page by page and sent as it is read. */
export class RegistryImport {
  readonly #tally = new Tally();
  readonly #points = new LoggedPoints();
  readonly #runs = new Set<string>();
  readonly #loggedModels = new Set<string>();
  readonly #versions = new Set<string>();
  readonly #models = new Set<string>();
  #experiments: ExperimentMap = new Map();
  /** Where the files of an experiment lie here, by its id at the source. */
  #locations: ReadonlyMap<string, string> = new Map();

  constructor(private readonly options: ImportOptions) {}

  /**
   * Imports everything.
   *
   * @throws ServerGone if a side stops answering: what was sent is kept, and another go continues.
   */
  async all(): Promise<Imported> {
    const experiments = await this.options.source.experiments();
    experiments.forEach((experiment) => this.#tally.experiment(experiment));
    await this.#importExperiments(experiments);
    const isTaken = ({ experiment_id }: Experiment) => this.#experiments.has(experiment_id);
    const taken = experiments.filter(isTaken);
    await this.#countRefused(experiments.filter((experiment) => !isTaken(experiment)));
    const deleted = new Set(taken.filter(isDeleted).map(({ experiment_id }) => experiment_id));
    const ids = taken.map(({ experiment_id }) => experiment_id);
    // In front of the runs, whose points are about them.
    await this.#importLoggedModels(ids);
    await this.#importRuns(ids, deleted);
    await this.#importModels();
    await this.#deleteExperiments(taken.filter(isDeleted));
    return {
      ...{ tally: this.#tally, experiments: this.#experiments, runs: this.#runs },
      ...{ loggedModels: this.#loggedModels, versions: this.#versions, models: this.#models },
    };
  }

  async #importExperiments(experiments: readonly Experiment[]): Promise<void> {
    const { destination, here } = this.options;
    this.#experiments = await destination.sendExperiments(experiments);
    const known = await here.experiments();
    const locations = new Map(known.map(({ experiment_id, artifact_location }) => [experiment_id, artifact_location]));
    this.#locations = new Map(
      [...this.#experiments].map(([original, id]) => [original, (locations.get(id) ?? '').replace(/\/$/, '')]),
    );
  }

  /** What stays behind with a refused experiment is missing here, so it is counted there. */
  async #countRefused(experiments: readonly Experiment[]): Promise<void> {
    const runs = this.options.source.runs(experiments.map(({ experiment_id }) => experiment_id));
    for await (const page of runs) for (const run of page) this.#tally.run(run);
  }

  async #importRuns(experimentIds: readonly string[], deleted: ReadonlySet<string>): Promise<void> {
    const { source, destination, progress } = this.options;
    const all = await this.#countRuns(experimentIds);
    let done = 0n;
    progress.show('runs', done, all);
    for await (const page of source.runs(experimentIds)) {
      const chunks = inBatches(page, BULK_RUNS);
      for await (const { runs, items } of inOrder(chunks, CHUNKS_AT_ONCE, (chunk) => this.#readRuns(chunk, deleted))) {
        await destination.send(items);
        await this.#copyAll(runs.map((run) => this.#filesOfRun(run)));
        done += BigInt(runs.length);
        progress.show('runs', done, all);
      }
    }
  }

  async #readRuns(runs: readonly Run[], deleted: ReadonlySet<string>) {
    const { source } = this.options;
    const histories = await source.histories(runs);
    const items = await inParallel(runs, REQUESTS_AT_ONCE, async (run) => ({
      name: `run ${run.info.run_id}`,
      commands: await this.#runCommands(await source.whole(run), histories, deleted.has(run.info.experiment_id)),
    }));
    return { runs, items };
  }

  /** How many there are, for the one who waits. */
  async #countRuns(experimentIds: readonly string[]): Promise<bigint> {
    let count = 0n;
    for await (const page of this.options.source.runs(experimentIds)) count += BigInt(page.length);
    return count;
  }

  /** All commands of a run; of a long one the first are sent already. */
  async #runCommands(run: Run, histories: Histories, isExperimentDeleted: boolean): Promise<readonly ImportCommand[]> {
    const { source, destination } = this.options;
    const { run_id, experiment_id } = run.info;
    const name = `run ${run_id}`;
    this.#tally.run(run);
    this.#runs.add(run_id);
    let commands = [...startOfRun(run, this.#experiments.get(experiment_id) ?? experiment_id)];
    const points = this.#points.complete(run_id, source.points(run, histories));
    for await (const command of pointCommands(run_id, this.#counted(points))) {
      commands.push(command);
      if (commands.length < COMMANDS_HELD) continue;
      await destination.send([{ name, commands }]);
      commands = [];
    }
    return [...commands, ...endOfRun(run, isExperimentDeleted)];
  }

  async *#counted<Item>(pages: AsyncIterable<readonly Item[]>): AsyncGenerator<readonly Item[]> {
    for await (const page of pages) {
      this.#tally.add('metric points', page.length);
      yield page;
    }
  }

  #filesOfRun({ info: { run_id: runId, experiment_id, artifact_uri: from } }: Run): Copied {
    return { owner: { runId }, from, to: `${this.#locations.get(experiment_id) ?? ''}/${runId}/artifacts` };
  }

  async #importLoggedModels(experimentIds: readonly string[]): Promise<void> {
    const { source, destination } = this.options;
    for await (const models of source.loggedModels(experimentIds)) {
      const items = (commandsOf: (model: LoggedModel) => readonly ImportCommand[]) =>
        models.map((model) => ({ name: `logged model ${model.info.model_id}`, commands: commandsOf(model) }));
      for (const model of models) {
        this.#tally.loggedModel(model);
        this.#loggedModels.add(model.info.model_id);
        this.#points.add(model);
      }
      const { importId } = destination;
      await destination.send(
        items((model) => startOfLoggedModel(importId, model, this.#experiments.get(model.info.experiment_id) ?? '')),
      );
      await this.#copyAll(
        models.map(({ info: { model_id: loggedModelId, experiment_id, artifact_uri: from } }) => {
          const location = this.#locations.get(experiment_id) ?? '';
          return { owner: { loggedModelId }, from, to: `${location}/models/${loggedModelId}/artifacts` };
        }),
      );
      await destination.send(items(endOfLoggedModel));
    }
  }

  async #importModels(): Promise<void> {
    const { source, destination, progress } = this.options;
    const versions = new Map<string, Map<number, Version>>();
    for await (const page of source.versions()) {
      for (const version of page) {
        const known = versions.get(version.name) ?? new Map<number, Version>();
        versions.set(version.name, known.set(version.version, version));
      }
    }
    const models = new Map<string, RegisteredModel>();
    for await (const page of source.models()) for (const model of page) models.set(model.name, model);
    let done = 0n;
    progress.show('models', done, BigInt(models.size));
    for await (const item of inOrder(models.values(), REQUESTS_AT_ONCE, async (model) => {
      const own = [...(versions.get(model.name)?.values() ?? [])];
      const locations = await this.#locationsOf(own);
      return { model, own, commands: registeredModel(destination.importId, model, own, locations) };
    })) {
      const { model, own, commands } = item;
      this.#tally.registeredModel(model);
      this.#models.add(nameAndTime(model));
      for (const version of own) {
        this.#tally.version(version);
        this.#versions.add(nameAndTime(version));
      }
      await destination.send([{ name: `model ${model.name}`, commands }]);
      done += 1n;
      progress.show('models', done, BigInt(models.size));
    }
  }

  /** Of versions whose source names another version. */
  async #locationsOf(versions: readonly Version[]): Promise<ReadonlyMap<number, string>> {
    const referring = versions.filter(({ source }) => /^models:\/+(?!m-[0-9a-f]{32}$)/.test(source));
    return new Map(
      await inParallel(
        referring,
        REQUESTS_AT_ONCE,
        async (version) => [version.version, await this.options.source.location(version)] as const,
      ),
    );
  }

  async #deleteExperiments(experiments: readonly Experiment[]): Promise<void> {
    const items = experiments.flatMap(({ experiment_id, name, last_update_time }) => {
      const experimentId = this.#experiments.get(experiment_id);
      // The first experiment belongs to the workspace, whatever became of the one of the source.
      if (experimentId === undefined || experimentId === '0') return [];
      const occurred_at = last_update_time === undefined ? undefined : new Date(last_update_time).toISOString();
      const command: ImportCommand = { type: 'DeleteExperiment', data: { experimentId }, occurred_at };
      return [{ name: `experiment ${name}`, commands: [command] }];
    });
    await this.options.destination.send(items);
  }

  async #copyAll(all: readonly Copied[]): Promise<void> {
    const { source, here, destination, withArtifacts } = this.options;
    if (!withArtifacts) return;
    const copied = all.filter(({ from }) => isCopied(from));
    await inParallel(copied, REQUESTS_AT_ONCE, async (one) => {
      const files = await copyFiles(source, here, one, (path, { code = 'REFUSED', message }) => {
        const owner = 'runId' in one.owner ? `run ${one.owner.runId}` : `logged model ${one.owner.loggedModelId}`;
        destination.refused.push({ name: `file ${path} of ${owner}`, code, message });
      });
      for (const { sizeBytes } of files) this.#tally.file(sizeBytes);
    });
  }
}
