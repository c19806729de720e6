import { type Built, registerTrained } from './build.js';
import { inOrderOfArrival, readCensus } from './census.js';
import { evaluate, untilStaged } from './preproduction.js';
import { doIt } from './act.js';
import { readRollout, requestRollout, untilState } from './governance.js';
import { CANARY } from './rollout.js';
import { demoFile, type Stage, type StagedVersion } from './stage.js';
import { replay, sendLabels } from './traffic.js';

const ROWS_PER_REQUEST = 20;
/** Labels follow their predictions this closely, as fractions of the year's rows. */
const SLICE = 0.05;

/** Chapter 6: a version that should not be there, and the two things that keep it out: the gate, and then the guards. */
export const badVersion = async (stage: Stage, built: Built): Promise<void> => {
  const { narrator, people } = stage;
  narrator.chapter('6  A bad version: trained on shuffled labels');
  const { version: bad } = await registerTrained(stage, 'employment-2-shuffled', built.experiment);
  await untilStaged(stage, bad);
  const evaluation = await evaluate(stage, bad, built, built.rules);
  narrator.step(
    `${bad.modelName} ${bad.version} evaluates at accuracy ${evaluation.performance?.accuracy.value?.toFixed(3)}`,
  );
  for (const [visitor, role] of [
    [people.vera, 'validator'],
    [people.rolf, 'risk-officer'],
  ] as const) {
    const input = {
      subject: bad,
      environment: 'PRODUCTION',
      role,
      meaning: 'APPROVED',
      comment: 'Signed without reading',
    };
    await doIt(visitor, 'giveApproval', input);
  }
  const blocked = await requestRollout(stage, people.otto, bad, CANARY);
  const refused = await untilState(stage, blocked, 'REFUSED');
  narrator.claim(
    refused.reasons.some((reason) => reason.startsWith('BASELINE')),
    'two signatures do not help: the gate asks for evidence',
    refused.reasons.find((reason) => reason.startsWith('BASELINE')) ?? refused.reasons.join(' '),
  );

  const full = await readRules(stage);
  try {
    await canary(stage, built, bad, full);
  } finally {
    // Whatever the story found, the installation keeps its full table.
    const { policy } = await activate(stage, full);
    narrator.step(`the full table is active again as version ${policy.version}; every change of it is an event`);
  }
};

/** With a table that lacks the rules which stopped it, as an organisation in a hurry would activate it. */
const canary = async (stage: Stage, built: Built, bad: StagedVersion, full: readonly Rule[]): Promise<void> => {
  const { narrator, people, names } = stage;
  const kept = full.filter(({ ruleId }) => ruleId !== 'BASELINE' && ruleId !== 'FAIRNESS');
  const { policy } = await activate(stage, kept);
  const rolloutId = await requestRollout(stage, people.otto, bad, CANARY);
  await untilState(stage, rolloutId, 'RUNNING');
  narrator.step(`rolf weakened ${POLICY} to version ${policy.version}; the bad version enters as canary at 1 %`);
  const rows = inOrderOfArrival(await readCensus(demoFile('2018.csv.gz')));
  let requests = 0;
  let retries = 0;
  let state = 'RUNNING';
  for (let from = 0; from < 1 && ['RUNNING', 'HELD'].includes(state); from += SLICE) {
    const part = await replay(stage, { rows, from, to: from + SLICE, rowsPerRequest: ROWS_PER_REQUEST, year: 2020 });
    await sendLabels(stage, part.labels);
    requests += part.requests;
    retries += part.retries;
    state = (await readRollout(stage, rolloutId))?.state ?? state;
  }
  const aborted = await untilState(stage, rolloutId, 'ABORTED');
  const failed = aborted.analyses.flatMap(({ guards }) => guards).filter(({ verdict }) => verdict === 'FAIL');
  narrator.claim(
    failed.some(({ sentence }) => aborted.reasons.join(' ').includes(sentence)),
    `the guards abort the canary by themselves (${failed.map(({ guard }) => guard).join(', ')})`,
    aborted.reasons.join(' '),
  );
  const after = await replay(stage, { rows, from: 0, to: 0.02, rowsPerRequest: ROWS_PER_REQUEST, year: 2020 });
  const { endpoint } = await people.audrey.graphql<{
    endpoint: { serving: readonly { version: { version: number; modelName: string } }[] };
  }>('query($endpoint: String!) { endpoint(endpoint: $endpoint) { serving { version { modelName version } } } }', {
    endpoint: names.endpoint,
  });
  const serving = endpoint.serving.map(({ version }) => `${version.modelName} ${version.version}`).join(', ');
  narrator.claim(
    serving === `${built.model.modelName} ${built.model.version}` && after.rowsByRevision.size === 1,
    'all traffic is back on version 1, and no request was lost',
    `${serving}; ${requests + after.requests} requests answered, ${retries + after.retries} asked again`,
  );
};

interface Rule {
  readonly ruleId: string;
  readonly title: string;
  readonly measure: string;
  readonly requires: readonly string[];
  readonly when: string;
  readonly advice: string;
}

const POLICY = 'production-high';

const readRules = async ({ people }: Stage): Promise<readonly Rule[]> => {
  const query = 'query($id: ID!) { policy(policyId: $id) { rules { ruleId title measure requires when advice } } }';
  return (await people.audrey.graphql<{ policy: { rules: readonly Rule[] } }>(query, { id: POLICY })).policy.rules;
};

const activate = ({ people }: Stage, rules: readonly Rule[]) =>
  doIt<{ policy: { version: number } }>(
    people.rolf,
    'activatePolicy',
    {
      policyId: POLICY,
      environment: 'PRODUCTION',
      tiers: ['HIGH'],
      rules,
    },
    'policy { version }',
  );
