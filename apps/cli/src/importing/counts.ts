import type { Experiment, LoggedModel, RegisteredModel, Run, Version } from './mlflow-shapes.js';

/** The tag that every run has here, and that runs of old servers lack. */
const RUN_NAME_TAG = 'mlflow.runName';

/** How many of a kind there are on both sides. */
export interface Count {
  readonly what: string;
  readonly atSource: number;
  readonly here: number;
}

/** What is counted, in the order in which it is shown. */
const KINDS = [
  ...['experiments', 'deleted experiments'],
  ...['logged models', 'logged model params', 'logged model tags', 'logged model metrics'],
  ...['runs', 'deleted runs', 'params', 'run tags', 'metrics', 'metric points'],
  ...['dataset inputs', 'model inputs', 'model outputs', 'files', 'bytes of files'],
  ...['registered models', 'model tags', 'aliases', 'versions', 'version tags', 'staged versions'],
] as const;
type Kind = (typeof KINDS)[number];

/** Counts one side of an import. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(kind: Kind, count = 1): void {
    this.#counts.set(kind, this.of(kind) + count);
  }

  of(kind: string): number {
    return this.#counts.get(kind) ?? 0;
  }

  experiment({ lifecycle_stage }: Experiment): void {
    this.add('experiments');
    if (lifecycle_stage === 'deleted') this.add('deleted experiments');
  }

  /** Without the points of its metrics. */
  run({ info, data, inputs, outputs }: Run): void {
    this.add('runs');
    if (info.lifecycle_stage === 'deleted') this.add('deleted runs');
    this.add('params', data.params.length);
    this.add('run tags', data.tags.filter(({ key }) => key !== RUN_NAME_TAG).length);
    this.add('metrics', data.metrics.length);
    this.add('dataset inputs', inputs.dataset_inputs.length);
    this.add('model inputs', inputs.model_inputs.length);
    this.add('model outputs', outputs.model_outputs.length);
  }

  loggedModel({ info, data }: LoggedModel): void {
    this.add('logged models');
    this.add('logged model params', data.params.length);
    this.add('logged model tags', info.tags.length);
    this.add('logged model metrics', data.metrics.length);
  }

  registeredModel({ tags, aliases }: RegisteredModel): void {
    this.add('registered models');
    this.add('model tags', tags.length);
    this.add('aliases', aliases.length);
  }

  version({ tags, current_stage }: Version): void {
    this.add('versions');
    this.add('version tags', tags.length);
    if (current_stage !== 'None') this.add('staged versions');
  }

  file(sizeBytes: number): void {
    this.add('files');
    this.add('bytes of files', sizeBytes);
  }
}

/** Both sides beside each other; kinds of which neither has any are left out. */
export const compare = (source: Tally, here: Tally): readonly Count[] =>
  KINDS.map((what) => ({ what, atSource: source.of(what), here: here.of(what) })).filter(
    ({ atSource, here: found }) => atSource + found > 0,
  );
