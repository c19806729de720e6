import type { Built } from './build.js';
import { v7 as uuidv7 } from 'uuid';
import { doIt } from './act.js';
import { StoryBroken, until } from './narrator.js';
import { FEATURES, LABEL } from './census.js';
import { readDemoJson, type Stage, type StagedVersion } from './stage.js';

interface Measure {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface Evaluation {
  readonly state: string;
  readonly failure: string | null;
  readonly performance: { readonly accuracy: Measure; readonly rocAuc: Measure } | null;
  readonly fairness: readonly { readonly metric: string; readonly difference: Measure }[];
  readonly golden: { readonly rows: number; readonly maxDifference: number | null } | null;
  readonly comparedWith: { readonly performance: { readonly accuracy: Measure } } | null;
}

const EVALUATION = `query($id: ID!) { evaluation(evaluationId: $id) {
  state failure
  performance { accuracy { value low high } rocAuc { value low high } }
  fairness { attribute metric difference { value low high } }
  golden { rows maxDifference }
  comparedWith { performance { accuracy { value low high } } }
} }`;

/** The endpoint on which the platform stages a model's versions by itself. */
export const stagingOf = (modelName: string): string => `${modelName}-staging`;

interface StagedRevision {
  readonly revisionId: string;
  readonly state: string;
  readonly failure: string | null;
  readonly goldenRows: number | null;
  readonly goldenMaxDifference: number | null;
  readonly version: { readonly version: number };
}

/** Waits until serving has loaded the version in staging and reproduced its golden outputs. */
export const untilStaged = ({ people }: Stage, { modelName, version }: StagedVersion): Promise<StagedRevision> =>
  until(`${modelName} ${version} is loaded in staging`, async () => {
    const query = `query($endpoint: String!) { endpoint(endpoint: $endpoint) {
      revisions { revisionId state failure goldenRows goldenMaxDifference version { version } } } }`;
    const { endpoint } = await people.audrey.graphql<{ endpoint: { revisions: readonly StagedRevision[] } | null }>(
      query,
      {
        endpoint: stagingOf(modelName),
      },
    );
    const revision = endpoint?.revisions.find((candidate) => candidate.version.version === version);
    if (revision?.state === 'FAILED') throw new StoryBroken(`${modelName} ${version} loads`, revision.failure ?? '');
    return revision?.state === 'LOADED' ? revision : undefined;
  });

/** Runs the held-out rows through a staged version, and waits for the result. */
export const evaluate = async (
  { people }: Stage,
  version: StagedVersion,
  { holdout }: Built,
  baseline?: StagedVersion,
): Promise<Evaluation> => {
  const evaluationId = uuidv7();
  await doIt(people.ada, 'requestEvaluation', {
    clientMutationId: evaluationId,
    endpoint: stagingOf(version.modelName),
    version,
    dataset: holdout,
    labelColumn: LABEL,
    features: FEATURES,
    protectedAttributes: ['SEX'],
    slices: ['MAR'],
    ...(baseline && { compareWith: { endpoint: stagingOf(baseline.modelName), version: baseline } }),
  });
  return until(
    `the evaluation of ${version.modelName} ${version.version} ends`,
    async () => {
      const { evaluation } = await people.audrey.graphql<{ evaluation: Evaluation | null }>(EVALUATION, {
        id: evaluationId,
      });
      if (evaluation?.state === 'FAILED') throw new StoryBroken('the evaluation completes', evaluation.failure ?? '');
      return evaluation?.state === 'COMPLETED' ? evaluation : undefined;
    },
    120_000,
  );
};

const fixed = (measure: Measure | undefined): string =>
  measure?.value == null
    ? 'undefined'
    : `${measure.value.toFixed(4)} [${measure.low?.toFixed(4)}, ${measure.high?.toFixed(4)}]`;

/** Chapter 2: both versions in staging, measured through the inference protocol on rows that neither has seen. */
export const preproduction = async (stage: Stage, built: Built): Promise<void> => {
  const { narrator, names } = stage;
  narrator.chapter('2  Preproduction: tested as it will be served');
  await untilStaged(stage, built.rules);
  const loaded = await untilStaged(stage, built.model);
  narrator.step(`both versions are loaded in staging, their digests checked`);
  narrator.claim(
    (loaded.goldenMaxDifference ?? 1) <= 1e-5,
    `the served model answers as Python's did, within 1e-5`,
    `${loaded.goldenRows} golden rows, largest difference ${loaded.goldenMaxDifference?.toExponential(1)}`,
  );

  await evaluate(stage, built.rules, built);
  const evaluation = await evaluate(stage, built.model, built, built.rules);
  const accuracy = evaluation.performance?.accuracy;
  const beside = evaluation.comparedWith?.performance.accuracy;
  narrator.step(
    `${built.holdout.rows} held-out rows went through both endpoints`,
    `{ evaluations(modelName: "${names.model}") { nodes { performance { accuracy { value low high } } slices { slice n } fairness { metric difference { value } } } } }`,
  );
  const { accuracy: expected } = await readDemoJson<{ accuracy: number }>('models/employment-1/metrics.json');
  narrator.claim(
    Math.abs((accuracy?.value ?? 0) - expected) < 1e-4,
    `the accuracy through the endpoint is the one that Python measured (${expected.toFixed(4)})`,
    fixed(accuracy),
  );
  narrator.claim(
    (accuracy?.value ?? 0) > (beside?.value ?? 1),
    'the model beats the rules on the same rows',
    `${fixed(accuracy)} against ${fixed(beside)}`,
  );
  const odds = evaluation.fairness.find(({ metric }) => metric === 'EQUALIZED_ODDS_DIFFERENCE');
  narrator.claim(
    (odds?.difference.value ?? 1) < 0.1,
    'equalised odds differ by less than 0.1 between the sexes',
    fixed(odds?.difference),
  );
};
