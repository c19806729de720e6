import { fileURLToPath } from 'node:url';
import type { Visitor } from './doors.js';
import { demoFile, readDemoJson, type Stage, type StagedVersion } from './stage.js';

interface Lineage {
  readonly algorithm: string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly trainedOn: { readonly file: string; readonly rows: number; readonly csvDigest: string };
  readonly code: { readonly file: string; readonly digest: string };
  readonly environment: { readonly python: string; readonly packages: Readonly<Record<string, string>> };
}

interface Metrics {
  readonly accuracy: number;
  readonly logLoss: number;
  readonly auc: number;
}

interface Registration {
  readonly modelName: string;
  readonly folder: string;
  /** Files of the folder that make the version. */
  readonly files: readonly string[];
  readonly lineage?: Lineage;
}

const experimentId = async (visitor: Visitor, name: string): Promise<string> => {
  const created = await visitor.mlflow<{ experiment_id: string }>('POST', 'experiments/create', { name });
  return created.experiment_id;
};

const pairs = (values: Readonly<Record<string, unknown>>) =>
  Object.entries(values).map(([key, value]) => ({ key, value: String(value) }));

/** One run with everything that made the model, and a version registered from it. All through MLflow's own calls. */
const register = async (
  { people }: Stage,
  visitor: Visitor,
  experiment: string,
  { modelName, folder, files, lineage }: Registration,
): Promise<{ readonly runId: string; readonly version: StagedVersion; readonly metrics: Metrics }> => {
  const metrics = await readDemoJson<Metrics>(`models/${folder}/metrics.json`);
  const nowMs = Date.now();
  const { run } = await visitor.mlflow<{ run: { info: { run_id: string } } }>('POST', 'runs/create', {
    experiment_id: experiment,
    run_name: folder,
    start_time: nowMs,
    tags: lineage ? pairs({ 'mlflow.source.name': lineage.code.file, 'code.digest': lineage.code.digest }) : [],
  });
  const runId = run.info.run_id;
  await visitor.mlflow('POST', 'runs/log-batch', {
    run_id: runId,
    params: lineage
      ? pairs({ algorithm: lineage.algorithm, python: lineage.environment.python, ...lineage.parameters })
      : [],
    tags: lineage ? pairs(lineage.environment.packages) : [],
    metrics: Object.entries({ accuracy: metrics.accuracy, log_loss: metrics.logLoss, roc_auc: metrics.auc }).map(
      ([key, value]) => ({ key, value, timestamp: nowMs, step: 0 }),
    ),
  });
  if (lineage) {
    const { file: name, csvDigest, rows } = lineage.trainedOn;
    const dataset = {
      name,
      digest: csvDigest.slice('sha256:'.length, 'sha256:'.length + 36),
      source_type: 'local',
      source: name,
    };
    await visitor.mlflow('POST', 'runs/log-inputs', {
      run_id: runId,
      datasets: [
        {
          dataset: { ...dataset, profile: JSON.stringify({ rows, csvDigest }) },
          tags: [{ key: 'mlflow.data.context', value: 'training' }],
        },
      ],
    });
  }
  for (const file of files) {
    await visitor.upload(
      `${experiment}/${runId}/artifacts/model/${file}`,
      fileURLToPath(demoFile(`models/${folder}/${file}`)),
    );
  }
  // The files name the run that made them, so two runs never make the same version, even of the same bytes.
  await visitor.uploadText(
    `${experiment}/${runId}/artifacts/model/run.json`,
    JSON.stringify({ run_id: runId, folder }),
  );
  await visitor.mlflow('POST', 'runs/update', { run_id: runId, status: 'FINISHED', end_time: Date.now() });
  const source = `runs:/${runId}/model`;
  const { model_version } = await visitor.mlflow<{ model_version: { version: string } }>(
    'POST',
    'model-versions/create',
    {
      name: modelName,
      source,
      run_id: runId,
    },
  );
  const version = Number(model_version.version);
  const query =
    'query($name: String!, $version: Int!) { registeredModel(name: $name) { version(version: $version) { manifestDigest } } }';
  const read = await people.audrey.graphql<{ registeredModel: { version: { manifestDigest: string } } }>(query, {
    name: modelName,
    version,
  });
  return {
    runId,
    version: { modelName, version, manifestDigest: read.registeredModel.version.manifestDigest },
    metrics,
  };
};

/** A version of the trained model: the good one, or the one that was trained on shuffled labels. */
export const registerTrained = async (stage: Stage, folder: string, experiment: string) => {
  const lineage = await readDemoJson<Lineage>(`models/${folder}/lineage.json`);
  const files = ['model.onnx', 'golden.json', 'lineage.json', 'metrics.json'];
  return register(stage, stage.people.ada, experiment, { modelName: stage.names.model, folder, files, lineage });
};

export interface Built {
  readonly experiment: string;
  readonly model: StagedVersion;
  readonly rules: StagedVersion;
  /** Rows that no model has seen, as an artifact of the run. */
  readonly holdout: { readonly name: string; readonly digest: string; readonly rows: number };
}

/** Chapter 1: a run with what made it, and versions registered from it. */
export const build = async (stage: Stage): Promise<Built> => {
  const { narrator, people, names } = stage;
  narrator.chapter('1  Build: who made what, from what');
  const experiment = await experimentId(people.ada, names.experiment);
  await people.emil.mlflow('POST', 'registered-models/create', {
    name: names.rules,
    description: 'Eleven rules by hand',
  });
  await people.ada.mlflow('POST', 'registered-models/create', {
    name: names.model,
    description: 'Gradient boosting on census data',
  });

  const rules = await register(stage, people.emil, experiment, {
    modelName: names.rules,
    folder: 'employment-rules-1',
    files: ['decision-table.json', 'golden.json', 'metrics.json'],
  });
  narrator.step(
    `emil registered ${names.rules} 1: eleven rules as a decision table, accuracy ${rules.metrics.accuracy.toFixed(3)}`,
  );

  const trained = await registerTrained(stage, 'employment-1', experiment);
  await people.ada.mlflow('POST', 'registered-models/alias', { name: names.model, alias: 'candidate', version: '1' });
  narrator.step(
    `ada trained ${names.model} 1 on 2015 and registered it: accuracy ${trained.metrics.accuracy.toFixed(3)}, AUC ${trained.metrics.auc.toFixed(3)} by Python's measure`,
    `{ run(runId: "${trained.runId}") { params { key value } metrics { key value } datasets { name digest } } }`,
  );
  narrator.claim(
    trained.version.manifestDigest !== rules.version.manifestDigest,
    'each version is bound to its bytes',
    `${trained.version.manifestDigest.slice(0, 19)}…, ${rules.version.manifestDigest.slice(0, 19)}…`,
  );

  const data = await readDemoJson<readonly { file: string; rows: number; fileDigest: string }[]>('data.json');
  const file = '2015-holdout.csv.gz';
  const { rows = 0, fileDigest = '' } = data.find((entry) => entry.file === file) ?? {};
  await people.ada.upload(`${experiment}/${trained.runId}/artifacts/data/${file}`, fileURLToPath(demoFile(file)));
  return {
    experiment,
    model: trained.version,
    rules: rules.version,
    holdout: { name: file, digest: fileDigest, rows },
  };
};
