import { doIt } from './act.js';
import type { Built } from './build.js';
import { inOrderOfArrival, readCensus } from './census.js';
import { StoryBroken } from './narrator.js';
import { readRollout, requestRollout, untilState } from './governance.js';
import { demoFile, type Stage } from './stage.js';
import { replay } from './traffic.js';

/** 1 %, then a quarter, then all. A step ends when enough was measured, not when enough time went by. */
export const CANARY = [
  { weightBps: 100, minRows: 200, minDurationMs: 0 },
  { weightBps: 2500, minRows: 2000, minDurationMs: 0 },
  { weightBps: 10_000, minRows: 2000, minDurationMs: 0 },
] as const;

const ROWS_PER_REQUEST = 10;
/** How often the story looks at the rollout while traffic runs. */
const LOOK_MS = 250;

/** Chapter 4: a canary on live traffic, each step decided by what was measured. */
export const rollOut = async (stage: Stage, { model, rules }: Built): Promise<void> => {
  const { narrator, people, names, doors } = stage;
  narrator.chapter('4  Deployment: 1 % -> 25 % -> 100 % of live traffic');
  const rolloutId = await requestRollout(stage, people.otto, model, CANARY);
  const started = await untilState(stage, rolloutId, 'RUNNING');
  const rulesHeld = started.gate?.rules ?? [];
  narrator.claim(
    started.gate?.outcome === 'PASS',
    `the gate ${started.gate?.policy?.policyId} passes, rule by rule`,
    rulesHeld.map(({ ruleId, outcome }) => `${ruleId} ${outcome}`).join(', '),
  );

  const rows = inOrderOfArrival(await readCensus(demoFile('2016.csv.gz')));
  let state = started.state;
  let resumed = false;
  const watch = setInterval(() => void look(), LOOK_MS);
  let looking = false;
  let failure: unknown;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    try {
      const rollout = await readRollout(stage, rolloutId);
      state = rollout?.state ?? state;
      if (state === 'HELD' && !resumed) {
        resumed = true;
        narrator.step(`held by a guard: ${rollout?.reasons.join(' ')}`);
        await doIt(people.otto, 'resumeRollout', {
          endpoint: names.endpoint,
          rolloutId,
          reason:
            'Rules and model score differently by design; the evaluation shows that the model is right more often',
        });
        narrator.step('otto read the reason and resumed; the guards go on measuring');
      }
    } catch (error) {
      failure = error;
    } finally {
      looking = false;
    }
  };
  const traffic = await replay(stage, {
    rows,
    rowsPerRequest: ROWS_PER_REQUEST,
    year: 2016,
    until: () => failure !== undefined || !['RUNNING', 'HELD'].includes(state),
  });
  clearInterval(watch);
  if (failure !== undefined) throw failure;
  const ended = await untilState(stage, rolloutId, 'PROMOTED', 'ABORTED', 'RUNNING', 'HELD');
  if (ended.state !== 'PROMOTED')
    throw new StoryBroken(
      'the canary is promoted',
      `${ended.state} after ${traffic.rows} rows: ${ended.reasons.join(' ')}`,
    );
  for (const { step, verdict, guards } of ended.analyses) {
    const sentences = guards.filter((guard) => guard.verdict === 'pass').map(({ sentence }) => sentence);
    narrator.step(`step ${step + 1} (${(CANARY[step]?.weightBps ?? 0) / 100} %): ${verdict}. ${sentences.join(' ')}`);
  }
  const share = [...traffic.rowsByRevision].map(([revision, count]) => `${revision} ${count} rows`).join(', ');
  narrator.claim(
    traffic.rowsByRevision.size === 2,
    `two versions answered while the weight moved, ${rules.modelName} first`,
    `${share}; ${traffic.requests} requests, ${traffic.retries} asked again`,
  );
  narrator.step(
    `${model.modelName} ${model.version} has all of the traffic`,
    `${doors.gatewayUrl}/explorer, { rollout(rolloutId: "${rolloutId}") { state analyses { step verdict guards { guard verdict sentence } } } }`,
  );
};
