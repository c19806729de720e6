import { v7 as uuidv7 } from 'uuid';
import { doIt, tryTo } from './act.js';
import type { Built } from './build.js';
import type { Visitor } from './doors.js';
import { until } from './narrator.js';
import type { Stage, StagedVersion } from './stage.js';

interface RolloutView {
  readonly state: string;
  readonly reasons: readonly string[];
  readonly weightBps: number;
  readonly gate: {
    readonly outcome: string;
    readonly policy: { readonly policyId: string } | null;
    readonly rules: readonly { readonly ruleId: string; readonly outcome: string; readonly sentence: string }[];
  } | null;
  readonly analyses: readonly {
    readonly step: number;
    readonly verdict: string;
    readonly guards: readonly { readonly guard: string; readonly verdict: string; readonly sentence: string }[];
  }[];
}

const ROLLOUT = `query($id: ID!) { rollout(rolloutId: $id) {
  state reasons weightBps
  gate { outcome policy { policyId } rules { ruleId outcome sentence } }
  analyses { step verdict guards { guard verdict sentence } }
} }`;

export const readRollout = async ({ people }: Stage, rolloutId: string): Promise<RolloutView | null> =>
  (await people.audrey.graphql<{ rollout: RolloutView | null }>(ROLLOUT, { id: rolloutId })).rollout;

export interface Step {
  readonly weightBps: number;
  readonly minRows: number;
  readonly minDurationMs: number;
}

/** Asks for a version in production. @returns the rollout's id. */
export const requestRollout = async (
  { names }: Stage,
  visitor: Visitor,
  { modelName, version }: StagedVersion,
  steps: readonly Step[],
): Promise<string> => {
  const rolloutId = uuidv7();
  await doIt(visitor, 'requestRollout', {
    clientMutationId: rolloutId,
    endpoint: names.endpoint,
    modelName,
    version,
    strategy: { steps },
  });
  return rolloutId;
};

/** Waits until a rollout is in one of these states. */
export const untilState = (stage: Stage, rolloutId: string, ...states: readonly string[]): Promise<RolloutView> =>
  until(`the rollout is ${states.join(' or ')}`, async () => {
    const rollout = await readRollout(stage, rolloutId);
    return rollout && states.includes(rollout.state) ? rollout : undefined;
  });

const approve = (visitor: Visitor, subject: StagedVersion, role: string, comment: string) =>
  doIt(visitor, 'giveApproval', { subject, environment: 'PRODUCTION', role, meaning: 'APPROVED', comment });

/** All at once: for an endpoint that has nothing to compare with yet. */
const AT_ONCE: readonly Step[] = [{ weightBps: 10_000, minRows: 0, minDurationMs: 0 }];

const classify = ({ people, names }: Stage, legalTriggers: readonly string[]) =>
  doIt<{ useCase: { tier: string } }>(
    people.rolf,
    'classifyUseCase',
    {
      useCaseId: names.useCase,
      answers: {
        legalTriggers,
        effect: 2,
        autonomy: 1,
        affectedPersons: 2,
        materiality: 1,
        irreversibility: 1,
        opacity: 1,
        dataSensitivity: 2,
        dependents: 0,
        vendorUnknowns: 0,
      },
    },
    'useCase { tier }',
  );

/** Chapter 3: who may decide, and what must hold. */
export const governance = async (stage: Stage, { model, rules }: Built): Promise<void> => {
  const { narrator, people, names } = stage;
  narrator.chapter('3  Governance: nobody promotes their own work');
  await doIt(people.otto, 'createEndpoint', {
    endpoint: names.endpoint,
    environment: 'PRODUCTION',
    description: 'Advises job-placement officers',
  });
  await doIt(people.rolf, 'registerUseCase', {
    useCaseId: names.useCase,
    name: 'Advice for job placement',
    purpose: 'Says how likely a person is to be employed, so that an officer knows whom to call first',
    owner: 'dora',
    endpoints: [names.endpoint],
    modelNames: [names.rules, names.model],
  });
  const before = await classify(stage, []);
  narrator.step(`rolf classified the use case by its scorecard: ${before.useCase.tier}`);
  await approve(people.vera, rules, 'validator', 'Plain rules, read line by line');
  const incumbent = await requestRollout(stage, people.otto, rules, AT_ONCE);
  await untilState(stage, incumbent, 'PROMOTED');
  narrator.step(`the rules went into production under ${before.useCase.tier}: one approval, gate passed`);

  const after = await classify(stage, ['employment']);
  narrator.claim(
    after.useCase.tier === 'HIGH',
    'a legal trigger makes it HIGH, whatever the score says',
    after.useCase.tier,
  );

  const attempt = await requestRollout(stage, people.ada, model, AT_ONCE);
  const refused = await untilState(stage, attempt, 'REFUSED');
  narrator.claim(
    refused.gate?.outcome !== 'PASS',
    "the author's own promotion is refused and recorded",
    refused.reasons.join(' '),
  );

  await tryTo(people.ada, 'giveApproval', {
    subject: model,
    environment: 'PRODUCTION',
    role: 'validator',
    meaning: 'APPROVED',
    comment: 'I know it is good',
  });
  interface Subject {
    subject: {
      refusedApprovals: readonly { by: string; reason: string; sentence: string }[];
      approvals: readonly { by: string }[];
    };
  }
  const query =
    'query($digest: Digest!) { subject(manifestDigest: $digest) { refusedApprovals { by reason sentence } approvals { by } } }';
  const { subject } = await people.audrey.graphql<Subject>(query, { digest: model.manifestDigest });
  const own = subject.refusedApprovals.find(({ by }) => by === 'ada');
  narrator.claim(
    own !== undefined && subject.approvals.length === 0,
    'an approval by the author is refused and recorded',
    own?.sentence ?? 'nothing',
  );

  await approve(people.vera, model, 'validator', 'Evaluation and slices checked');
  await approve(people.rolf, model, 'risk-officer', 'Fairness within the limits');
  narrator.step(
    'vera (validator) and rolf (risk officer) approved exactly these bytes',
    `{ subject(manifestDigest: "${model.manifestDigest}") { approvals { by role comment } evidence { type metrics } } }`,
  );
};
