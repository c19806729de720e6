import { v7 as uuidv7 } from 'uuid';
import { doIt } from './act.js';
import type { Built } from './build.js';
import { type CensusRows, FEATURES, inOrderOfArrival, LABEL, readCensus } from './census.js';
import { StoryBroken, until } from './narrator.js';
import { stagingOf } from './preproduction.js';
import { demoFile, type Stage } from './stage.js';
import { replay, sendLabels } from './traffic.js';

const MONTH_MS = 2_629_800_000; // a twelfth of a year of 365.25 days
const ROWS_PER_REQUEST = 100;
/** A whole month has about 5,800 rows. */
const MONTH_MIN_ROWS = 5_000;
/** Every column but the age is a code, however numeric it looks. */
const CATEGORICAL = FEATURES.filter((feature) => feature !== 'AGEP' && feature !== 'SCHL');

interface AlertView {
  readonly alertId: string;
  readonly kind: string;
  readonly state: string;
  readonly sentence: string;
  readonly features: readonly string[];
  readonly endpointName: string;
  readonly window: { readonly start: string };
  readonly notify: readonly { readonly role: string; readonly actor: string }[];
  readonly resolution: { readonly reason: string } | null;
}

const readAlerts = async ({ people, names }: Stage): Promise<readonly AlertView[]> => {
  const query = `query($id: ID!) { alerts(monitorId: $id, first: 100) { nodes {
    alertId kind state sentence features endpointName window { start } notify { role actor } resolution { reason } } } }`;
  return (await people.audrey.graphql<{ alerts: { nodes: AlertView[] } }>(query, { id: names.monitor })).alerts.nodes;
};

interface WindowView {
  readonly window: { readonly start: string };
  readonly rows: number;
  readonly labels: number;
  readonly performance: { readonly accuracy: { readonly value: number | null } } | null;
  readonly drift: {
    readonly features: readonly { readonly feature: string; readonly value: number | null; readonly verdict: string }[];
  } | null;
}

const readWindows = async ({ people, names }: Stage): Promise<readonly WindowView[]> => {
  const query = `query($id: ID!) { windows(monitorId: $id, first: 100) { nodes {
    window { start } rows labels performance { accuracy { value } } drift { features { feature value verdict } } } } }`;
  return (await people.audrey.graphql<{ windows: { nodes: WindowView[] } }>(query, { id: names.monitor })).windows
    .nodes;
};

const define = async (stage: Stage, { model, holdout }: Built): Promise<void> => {
  const { people, names } = stage;
  await doIt(people.otto, 'registerDataSource', {
    dataSourceId: names.dataSource,
    name: 'Monthly feed of the census bureau',
    features: FEATURES,
    businessOwner: 'dora',
    dataOwner: 'piet',
  });
  const baselineId = uuidv7();
  await doIt(people.otto, 'requestBaseline', {
    clientMutationId: baselineId,
    endpoint: stagingOf(model.modelName),
    version: model,
    dataset: holdout,
    features: FEATURES,
    categoricalFeatures: CATEGORICAL,
    labelColumn: LABEL,
  });
  await until(
    'the baseline is pinned',
    async () => {
      const query = 'query($id: ID!) { baseline(baselineId: $id) { state failure } }';
      const { baseline } = await people.audrey.graphql<{ baseline: { state: string; failure: string | null } | null }>(
        query,
        {
          id: baselineId,
        },
      );
      if (baseline?.state === 'FAILED') throw new StoryBroken('the baseline is pinned', baseline.failure ?? '');
      return baseline?.state === 'COMPLETED' ? true : undefined;
    },
    120_000,
  );
  await doIt(people.otto, 'defineMonitor', {
    monitorId: names.monitor,
    endpoint: names.endpoint,
    baselineId,
    windowMs: MONTH_MS,
    latenessMs: 86_400_000,
    psiThreshold: 0.1,
    persistence: { windows: 2, ofWindows: 3 },
    protectedAttributes: ['SEX'],
    dataSourceIds: [names.dataSource],
  });
};

/** Chapter 5: three years of traffic, then a fault upstream. */
export const monitor = async (stage: Stage, built: Built): Promise<void> => {
  const { narrator, names } = stage;
  narrator.chapter('5  Monitoring: three years without a false alarm, then a real one');
  await define(stage, built);
  narrator.step(`a baseline of ${built.holdout.rows} rows is pinned; windows of a month, in event time`);

  let last: CensusRows | undefined;
  let rows = 0;
  for (const year of [2016, 2017, 2018]) {
    const census = inOrderOfArrival(await readCensus(demoFile(`${year}.csv.gz`)));
    const replayed = await replay(stage, { rows: census, rowsPerRequest: ROWS_PER_REQUEST, year });
    await sendLabels(stage, replayed.labels);
    rows += replayed.rows;
    last = census;
    narrator.step(`${year}: ${replayed.rows} rows as traffic, ${replayed.labels.length} labels afterwards`);
  }
  const windows = await until(
    'the windows of three years are closed and labelled',
    async () => {
      const closed = await readWindows(stage);
      const labelled = closed.filter(({ labels, rows: count }) => labels === count);
      return labelled.length >= 34 ? closed : undefined;
    },
    120_000,
  );
  // Windows begin at multiples of their length since 1970, so the first and the last hold only part of a month.
  const whole = windows.filter(({ rows: count }) => count > MONTH_MIN_ROWS);
  const drifts = whole.flatMap(({ drift }) => drift?.features ?? []);
  const strongest = Math.max(...drifts.map(({ value }) => value ?? 0));
  const accuracies = whole.flatMap(({ performance }) => performance?.accuracy.value ?? []);
  const alerts = await readAlerts(stage);
  narrator.claim(
    alerts.length === 0,
    `${windows.length} windows of ${rows} rows raise no false alarm`,
    alerts.length === 0
      ? `the strongest drift of ${drifts.length} measured has PSI ${strongest.toFixed(4)}`
      : alerts.map(({ sentence }) => sentence).join(' '),
  );
  narrator.claim(
    strongest > 0 && accuracies.every((accuracy) => accuracy > 0.8 && accuracy < 0.86),
    'the small changes of real life are measured, not hidden',
    `accuracy by month from ${Math.min(...accuracies).toFixed(3)} to ${Math.max(...accuracies).toFixed(3)}`,
  );
  if (last) await fault(stage, last);
  narrator.step(
    'all windows',
    `{ windows(monitorId: "${names.monitor}", first: 5) { nodes { window { start } rows labels performance { accuracy { value low high } } } } }`,
  );
};

const fault = async (stage: Stage, rows: CensusRows): Promise<void> => {
  const { narrator, names } = stage;
  const inMonths = (feature: string, value: number): number => (feature === 'AGEP' ? value * 12 : value);
  // January with the fault, February and March without.
  await replay(stage, { rows, from: 0, to: 1 / 12, rowsPerRequest: ROWS_PER_REQUEST, year: 2019, change: inMonths });
  await replay(stage, { rows, from: 1 / 12, to: 0.1, rowsPerRequest: ROWS_PER_REQUEST, year: 2019 });
  const raised = await until('the unit change alerts', async () => {
    return (await readAlerts(stage)).find(({ kind }) => kind === 'DATA_SOURCE');
  });
  const owners = raised.notify.map(({ role, actor }) => `${actor} (${role})`).join(', ');
  narrator.claim(
    raised.features.includes('AGEP'),
    'ages in months instead of years alert within one window',
    raised.sentence,
  );
  narrator.claim(
    ['dora', 'piet'].every((owner) => raised.notify.some(({ actor }) => actor === owner)) &&
      raised.endpointName === names.endpoint,
    'the business owner and the data owner are told, by name, which endpoint is affected',
    `${owners}; ${raised.endpointName}`,
  );
  await replay(stage, { rows, from: 0.1, to: 0.27, rowsPerRequest: ROWS_PER_REQUEST, year: 2019 });
  const resolved = await until('the alert resolves', async () => {
    const alert = (await readAlerts(stage)).find(({ alertId }) => alertId === raised.alertId);
    return alert?.state === 'RESOLVED' ? alert : undefined;
  });
  // The reason names the window in which the feature was normal again.
  const reason = resolved.resolution?.reason ?? '';
  const normalFrom = Date.parse(/window from (\S+)\.$/.exec(reason)?.[1] ?? '');
  narrator.claim(
    reason.startsWith('AGEP') && normalFrom > Date.parse(raised.window.start),
    `the fault of the window from ${raised.window.start} is withdrawn and the alert resolves in a later one`,
    reason,
  );
};
