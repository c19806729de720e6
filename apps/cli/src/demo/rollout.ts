import { performance } from 'node:perf_hooks';
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
/** A slow machine needs 10 s; a rollout that is still moving after this does not end by itself. */
const DEADLINE_MS = 90_000;

/**
 * Follows a rollout beside its traffic, and lets a person resume it when a guard holds it for the first time.
 *
 * @returns `isOver` once it has ended, the watching failed or too much time went by; `stop` throws what made it fail.
 */
const watch = (
  stage: Stage,
  rolloutId: string,
): { readonly isOver: () => boolean; readonly stop: () => Promise<void> } => {
  const { narrator, people, names } = stage;
  const deadline = performance.now() + DEADLINE_MS;
  let over = false;
  const follow = async (): Promise<void> => {
    let resumed = false;
    while (!over) {
      const rollout = await readRollout(stage, rolloutId);
      if (rollout?.state === 'HELD' && !resumed) {
        resumed = true;
        narrator.step(`held by a guard: ${rollout.reasons.join(' ')}`);
        await doIt(people.otto, 'resumeRollout', {
          endpoint: names.endpoint,
          rolloutId,
          reason:
            'Rules and model score differently by design; the evaluation shows that the model is right more often',
        });
        narrator.step('otto read the reason and resumed; the guards go on measuring');
      }
      over ||= rollout !== null && !['RUNNING', 'HELD'].includes(rollout.state);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  };
  const following = follow().finally(() => (over = true));
  // Awaited in `stop`; until then a failure only ends the traffic.
  following.catch(() => (over = true));
  return {
    isOver: () => over || performance.now() > deadline,
    stop: async () => {
      over = true;
      await following;
    },
  };
};

/** Chapter 4: a canary on live traffic, each step decided by what was measured. */
export const rollOut = async (stage: Stage, { model, rules }: Built): Promise<void> => {
  const { narrator, people } = stage;
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
  const moving = watch(stage, rolloutId);
  // How much traffic the steps need depends on how fast the machine measures, so the year begins again until they are over.
  const traffic = await replay(stage, {
    rows,
    rowsPerRequest: ROWS_PER_REQUEST,
    year: 2016,
    repeat: true,
    until: moving.isOver,
  });
  await moving.stop();
  const ended = await untilState(stage, rolloutId, 'PROMOTED', 'ABORTED', 'RUNNING', 'HELD');
  if (ended.state !== 'PROMOTED')
    throw new StoryBroken(
      'the canary is promoted',
      `${ended.state} after ${traffic.rows} rows: ${ended.reasons.join(' ')}`,
    );
  for (const { step, verdict, guards } of ended.analyses) {
    const sentences = guards.filter((guard) => guard.verdict === 'PASS').map(({ sentence }) => sentence);
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
    `{ rollout(rolloutId: "${rolloutId}") { state analyses { step verdict guards { guard verdict sentence } } } }`,
  );
};
