import type { Built } from './build.js';
import type { Stage } from './stage.js';
import { replay as replayLog } from '../commands/replay.js';

interface Then {
  readonly position: string;
  readonly endpoint: {
    readonly serving: readonly { readonly version: { readonly modelName: string; readonly version: number } }[];
  } | null;
}

const SERVING = 'position endpoint(endpoint: $endpoint) { serving { weightBps version { modelName version } } }';

const shown = ({ endpoint }: Then): string =>
  endpoint?.serving.map(({ version }) => `${version.modelName} ${version.version}`).join(' + ') || 'nothing';

/** Chapter 7: the auditor asks what was true at each moment, and whether the rows are what the log says. */
export const audit = async (stage: Stage, { model, rules }: Built): Promise<void> => {
  const { narrator, people, names, config, addresses, doors } = stage;
  narrator.chapter('7  Audit: any question, at any moment');
  const { rollouts } = await people.audrey.graphql<{
    rollouts: {
      nodes: readonly {
        requestedAt: string;
        startedAt: string | null;
        endedAt: string | null;
        state: string;
        version: { modelName: string; version: number };
      }[];
    };
  }>(
    'query($endpoint: String!) { rollouts(endpoint: $endpoint, first: 100) { nodes { requestedAt startedAt endedAt state version { modelName version } } } }',
    { endpoint: names.endpoint },
  );
  const promotions = rollouts.nodes.filter(({ state }) => state === 'PROMOTED');
  const [latest, first] = promotions;
  const query = `query($endpoint: String!, $before: DateTime!, $after: DateTime!) {
    then: at(time: $before) { ${SERVING} }
    later: at(time: $after) { ${SERVING} }
    now: endpoint(endpoint: $endpoint) { serving { version { modelName version } } }
  }`;
  const variables = { endpoint: names.endpoint, before: latest?.requestedAt, after: latest?.endedAt };
  const answer = await people.audrey.graphql<{ then: Then; later: Then }>(query, variables);
  narrator.claim(
    shown(answer.then) === `${rules.modelName} ${rules.version}` &&
      shown(answer.later) === `${model.modelName} ${model.version}`,
    'what was in production before and after the promotion',
    `${latest?.requestedAt.slice(11, 19)} ${shown(answer.then)} (position ${answer.then.position}), ${latest?.endedAt?.slice(11, 19)} ${shown(answer.later)} (position ${answer.later.position}); ${first?.version.modelName ?? ''} was first`,
  );

  const approvals = `query($position: LogPosition!, $digest: Digest!) { at(position: $position) {
    subject(manifestDigest: $digest) { approvals { by role } authors refusedApprovals { by reason } } } }`;
  const at = { position: answer.later.position, digest: model.manifestDigest };
  interface Approvals {
    at: { subject: { approvals: readonly { by: string; role: string }[]; authors: readonly string[] } };
  }
  const [once, twice] = [
    await people.audrey.graphql<Approvals>(approvals, at),
    await people.audrey.graphql<Approvals>(approvals, at),
  ];
  const { subject } = once.at;
  narrator.claim(
    JSON.stringify(once) === JSON.stringify(twice) && subject.approvals.length === 2,
    'who approved it, as the page said then; asked twice, the same bytes',
    `${subject.approvals.map(({ by, role }) => `${by} (${role})`).join(', ')}; author ${subject.authors.join(', ')}`,
  );

  narrator.step('every read model is folded again from the log:', 'npx kontor replay --verify');
  const exitCode = await replayLog(config, { addresses });
  narrator.claim(
    exitCode === 0,
    'the read models equal the log',
    `exit code ${exitCode}; ${doors.gatewayUrl}/ shows the position`,
  );
};
