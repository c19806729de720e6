import { type CommandMetadata, type Decider, type Decision, reject, unreachable } from '@kontor/event-sourcing';
import type { Role } from '../roles.js';
import type { ModelVersionRef, Servable } from '../values.js';
import { artifactsProblem } from '../version-artifacts.js';
import type { DeploymentCommand } from './commands.js';
import type { DeploymentEvent } from './events.js';
import type { DeploymentRejection } from './rejections.js';
import { loadFailure } from './revision-report.js';
import {
  aborted,
  allTo,
  analysed,
  enteredStep,
  evolveRollout,
  gateMismatch,
  isMeasured,
  isOutdated,
  type Rollout,
  type Weights,
} from './rollout.js';

export interface Revision {
  readonly revisionId: string;
  readonly version: ModelVersionRef;
  readonly servable: Servable;
  readonly state: 'added' | 'loaded' | 'failed';
}

/** A staging route keeps this many versions loaded: as many as a route may name. */
const STAGED_REVISIONS = 10;

export type Environment = 'staging' | 'production';

interface Suspension {
  readonly reason: string;
  readonly by: string;
  readonly at: string;
}

export interface Endpoint {
  readonly status: 'Created';
  readonly endpoint: string;
  readonly environment: Environment;
  /** What was said of the endpoint alone: it holds whatever happens to the use case. */
  readonly suspension: Suspension | null;
  /** Whether the use case is suspended: this holds whatever is said of the endpoint alone. */
  readonly suspendedByUseCase: boolean;
  /** Every revision that the endpoint was ever given, newest first. */
  readonly revisions: readonly Revision[];
  /** The revision that was promoted last; null before the first. */
  readonly stable: string | null;
  /** The one before it, still loaded: where a rollback goes. */
  readonly previous: string | null;
  readonly weights: Weights;
  readonly routeVersion: number;
  readonly rollout: Rollout | null;
  readonly ended: Readonly<Record<string, 'refused' | 'aborted' | 'promoted'>>;
}

/** Whether the endpoint answers nothing, for either reason. */
export const isSuspended = ({ suspension, suspendedByUseCase }: Endpoint): boolean =>
  suspension !== null || suspendedByUseCase;

export type EndpointState = { readonly status: 'None' } | Endpoint;

/**
 * The revisions that serving processes hold, newest first. In production: stable, the one before it and the new one of a
 * started rollout. In staging: the newest ones, so that a version can be evaluated beside another.
 */
export const heldRevisions = (endpoint: Endpoint): readonly Revision[] => {
  const { revisions, rollout, stable, previous, environment } = endpoint;
  const candidate = rollout === null || rollout.phase === 'AwaitingGate' ? null : rollout.plan.revisionId;
  const named = new Set([candidate, stable, previous]);
  const usable = revisions.filter(({ state }) => state !== 'failed');
  if (environment === 'production') return usable.filter(({ revisionId }) => named.has(revisionId));
  const newest = new Set(usable.slice(0, STAGED_REVISIONS - named.size).map(({ revisionId }) => revisionId));
  return usable.filter(({ revisionId }) => named.has(revisionId) || newest.has(revisionId));
};

/**
 * The id of a version's revision: that of a held one, or a new one. A revision that left the route and comes back gets a
 * new id, so that serving processes cannot take it for the one that they had loaded before.
 */
const revisionIdOf = (endpoint: Endpoint, version: ModelVersionRef): string => {
  const held = heldRevisions(endpoint).find((revision) => sameVersion(revision.version, version));
  if (held) return held.revisionId;
  const base = `v${version.version}-${version.manifestDigest.slice('sha256:'.length, 'sha256:'.length + 12)}`;
  const before = endpoint.revisions.filter((revision) => sameVersion(revision.version, version)).length;
  return before === 0 ? base : `${base}-${before + 1}`;
};

const sameVersion = (a: ModelVersionRef, b: ModelVersionRef): boolean =>
  a.modelName === b.modelName && a.version === b.version && a.manifestDigest === b.manifestDigest;

type Decided = Decision<DeploymentEvent, DeploymentRejection>;
type CommandData<Type extends DeploymentCommand['type']> = Extract<DeploymentCommand, { type: Type }>['data'];

// A forged "the gate has passed" or "no errors were measured" would be a way around the gate and the guards, so these
// commands are taken from this service's own reactions and measurements only.
const isOwnService = ({ actor }: CommandMetadata): boolean =>
  actor.kind === 'service' && actor.id === 'service:deployment';

const isDataPlane = ({ actor }: CommandMetadata): boolean => actor.kind === 'service' && actor.id === 'service:serving';

/** Who may let a model answer again. Stopping one needs no role: whoever sees the harm comes first. */
const OPERATING_ROLES: readonly Role[] = ['operator', 'owner', 'admin'];

// A hold asks a person, and only a person answers. The local user of an installation without sign-in may operate, because
// nobody else is there.
const mayOperate = ({ actor }: CommandMetadata): boolean =>
  actor.kind === 'local' || (actor.kind === 'person' && OPERATING_ROLES.some((role) => actor.roles.includes(role)));

const rolesRequired = ({ actor }: CommandMetadata): Decided =>
  reject('ROLE_REQUIRED', { actor: actor.id, anyOf: [...OPERATING_ROLES] });

const personOf = ({ actor }: CommandMetadata): string | null => (actor.kind === 'service' ? null : actor.id);

type SuspensionCommand = Extract<DeploymentCommand, { type: 'SuspendEndpoint' | 'ResumeEndpoint' }>;

const followsUseCase = ({ metadata, data }: SuspensionCommand): boolean =>
  isOwnService(metadata) && data.onBehalfOf !== undefined;

const responsible = ({ metadata, data }: SuspensionCommand): string =>
  (isOwnService(metadata) ? data.onBehalfOf : undefined) ?? metadata.actor.id;

const decide = (command: DeploymentCommand, state: EndpointState): Decided => {
  const { metadata } = command;
  switch (command.type) {
    case 'StartRollout':
    case 'RefuseRollout':
    case 'StageVersion':
    case 'RecordAnalysis':
      if (!isOwnService(metadata)) return reject('SERVICE_ONLY', { actor: metadata.actor.id });
      break;
    case 'ReportRevisionState':
      if (!isDataPlane(metadata)) return reject('SERVICE_ONLY', { actor: metadata.actor.id });
      break;
    case 'ResumeEndpoint':
      if (!followsUseCase(command) && !mayOperate(metadata)) return rolesRequired(metadata);
      break;
    case 'ResumeRollout':
    case 'RollBack':
      if (!mayOperate(metadata)) return rolesRequired(metadata);
  }
  if (command.type === 'CreateEndpoint') {
    if (state.status !== 'None') return reject('ENDPOINT_EXISTS', { endpoint: state.endpoint });
    return [{ type: 'EndpointCreated', data: command.data }];
  }
  if (command.type === 'StageVersion') return stageVersion(command.data, state);
  if (state.status === 'None') return reject('ENDPOINT_UNKNOWN', { endpoint: command.data.endpoint });

  switch (command.type) {
    case 'RequestRollout':
      return requestRollout(command.data, state, metadata);
    case 'StartRollout':
      return startRollout(command.data, state, metadata);
    case 'RefuseRollout': {
      const { rolloutId, endpoint, gateId, reasons } = command.data;
      if (state.ended[rolloutId] === 'refused') return [];
      const { rollout } = state;
      if (rollout?.plan.rolloutId !== rolloutId || rollout.phase !== 'AwaitingGate') {
        return reject('ROLLOUT_NOT_AWAITING_GATE', { rolloutId });
      }
      return [{ type: 'RolloutRefused', data: { rolloutId, endpoint, gateId, reasons } }];
    }
    case 'ReportRevisionState':
      return reportRevisionState(command.data, state);
    case 'RecordAnalysis': {
      const { rolloutId, step } = command.data;
      const { rollout } = state;
      if (rollout === null || rollout.plan.rolloutId !== rolloutId || !isMeasured(rollout) || rollout.step !== step) {
        return reject('STEP_MOVED', { rolloutId, step });
      }
      return analysed(rollout, state, command.data);
    }
    case 'ResumeRollout': {
      const { rolloutId, endpoint, reason } = command.data;
      const unknown = notActive(rolloutId, state);
      if (unknown) return unknown;
      if (state.rollout?.phase !== 'Held') return reject('ROLLOUT_NOT_HELD', { phase: state.rollout?.phase });
      return [{ type: 'RolloutResumed', data: { rolloutId, endpoint, by: metadata.actor.id, reason } }];
    }
    case 'AbortRollout':
      return abortRollout(command.data, state, metadata);
    case 'RollBack':
      return rollBack(command.data, state, metadata);
    case 'SuspendEndpoint': {
      const byUseCase = followsUseCase(command);
      if (byUseCase ? state.suspendedByUseCase : state.suspension !== null) return [];
      const { endpoint, reason } = command.data;
      const suspended: DeploymentEvent = {
        type: 'EndpointSuspended',
        data: { endpoint, reason, by: responsible(command), byUseCase, at: metadata.now },
      };
      if (state.rollout === null) return [suspended];
      const because = { reason: `The endpoint was suspended: ${reason}`.slice(0, 5000), by: responsible(command) };
      return [suspended, ...aborted(state.rollout, state, because)];
    }
    case 'ResumeEndpoint': {
      const { endpoint, reason } = command.data;
      const { suspension, suspendedByUseCase } = state;
      const data = { endpoint, reason, by: responsible(command), at: metadata.now };
      if (!followsUseCase(command)) {
        if (suspendedByUseCase) return reject('SUSPENDED_BY_USE_CASE', { endpoint });
        return suspension === null ? [] : [{ type: 'EndpointResumed', data }];
      }
      if (!suspendedByUseCase) return [];
      // A suspension of this endpoint alone is lifted by a person, not by what happens to the use case.
      if (suspension) return [{ type: 'UseCaseSuspensionLifted', data: { ...data, suspension } }];
      return [{ type: 'EndpointResumed', data }];
    }
    default:
      return unreachable(command);
  }
};

const stageVersion = ({ endpoint, version, servable }: CommandData<'StageVersion'>, state: EndpointState): Decided => {
  if (state.status === 'None') {
    const description = `Staging of ${version.modelName}`;
    const created: DeploymentEvent = {
      type: 'EndpointCreated',
      data: { endpoint, environment: 'staging', description },
    };
    const revisionId = revisionIdOf(evolveCreated(endpoint, 'staging'), version);
    return [created, { type: 'RevisionAdded', data: { endpoint, revisionId, version, servable } }];
  }
  if (state.environment !== 'staging') return reject('ENDPOINT_NOT_STAGING', { environment: state.environment });
  if (heldRevisions(state).some((held) => sameVersion(held.version, version))) return [];
  const taken = numberTaken(state, version);
  if (taken) return taken;
  const revisionId = revisionIdOf(state, version);
  return [{ type: 'RevisionAdded', data: { endpoint, revisionId, version, servable } }];
};

/**
 * Two artifacts under one number of one model cannot both be right. In production, versions of different models may
 * share a number (rules and their successor); in staging the number is the address under which a version is evaluated.
 */
const numberTaken = ({ revisions, environment }: Endpoint, version: ModelVersionRef) => {
  const other = revisions.find(
    (revision) =>
      revision.version.version === version.version &&
      !sameVersion(revision.version, version) &&
      (environment === 'staging' || revision.version.modelName === version.modelName),
  );
  return other && reject('VERSION_NUMBER_TAKEN', { version: version.version, by: other.version });
};

const notActive = (rolloutId: string, { rollout, ended }: Endpoint) => {
  if (rollout?.plan.rolloutId === rolloutId) return undefined;
  const outcome = ended[rolloutId];
  return outcome ? reject('ROLLOUT_NOT_ACTIVE', { rolloutId, outcome }) : reject('ROLLOUT_UNKNOWN', { rolloutId });
};

const requestRollout = (
  { rolloutId, endpoint, version, modelId, servable, files, strategy }: CommandData<'RequestRollout'>,
  state: Endpoint,
  { actor }: CommandMetadata,
): Decided => {
  // Governance judges production only: a rollout on staging would wait for its gate for ever.
  if (state.environment === 'staging') return reject('STAGING_HAS_NO_ROLLOUTS', { endpoint });
  if (isSuspended(state)) return reject('ENDPOINT_SUSPENDED', { endpoint });
  if (state.rollout) {
    return reject('ROLLOUT_ACTIVE', { rolloutId: state.rollout.plan.rolloutId, phase: state.rollout.phase });
  }
  if (state.ended[rolloutId]) return reject('ROLLOUT_ID_USED', { rolloutId, outcome: state.ended[rolloutId] });
  const stable = state.revisions.find(({ revisionId }) => revisionId === state.stable);
  if (stable && sameVersion(stable.version, version)) return reject('ALREADY_STABLE', { version });
  const taken = numberTaken(state, version);
  if (taken) return taken;
  const problem = artifactsProblem({ manifestDigest: version.manifestDigest, files, servable });
  if (problem) return reject('DIGEST_MISMATCH', { version, problem });
  const { environment } = state;
  const revisionId = revisionIdOf(state, version);
  const of = modelId === undefined ? {} : { modelId };
  const requestedBy = actor.id;
  const data = { rolloutId, endpoint, environment, revisionId, version, ...of, servable, strategy, requestedBy };
  return [{ type: 'RolloutRequested', data }];
};

const startRollout = (
  { rolloutId, endpoint, gate, versionDeleted }: CommandData<'StartRollout'>,
  state: Endpoint,
  { workspace, now }: CommandMetadata,
): Decided => {
  const { rollout } = state;
  if (rollout?.plan.rolloutId !== rolloutId || rollout.phase !== 'AwaitingGate') {
    return reject('ROLLOUT_NOT_AWAITING_GATE', { rolloutId, phase: rollout?.phase ?? state.ended[rolloutId] ?? null });
  }
  const { gateId, restsOn } = gate;
  const mismatch = gateMismatch(rollout.plan, { workspace, endpoint, environment: state.environment }, gate);
  if (mismatch) return reject('GATE_MISMATCH', { gateId, mismatch });
  if (isOutdated(gate, now)) {
    const outdated = `The gate decision of ${gate.at} was not used within an hour; ask again with a new rollout.`;
    return [{ type: 'RolloutRefused', data: { rolloutId, endpoint, gateId, reasons: [outdated] } }];
  }
  if (versionDeleted) {
    const reasons = ['The version was deleted after the rollout was requested.'];
    return [{ type: 'RolloutRefused', data: { rolloutId, endpoint, gateId, reasons } }];
  }
  const { version, servable, revisionId } = rollout.plan;
  const started: DeploymentEvent = {
    type: 'RolloutStarted',
    data: { rolloutId, endpoint, version, gate: { gateId, restsOn } },
  };
  const held = heldRevisions(state).find((revision) => revision.revisionId === revisionId);
  if (held?.state === 'loaded') return [started, enteredStep(rollout, 0, state)];
  if (held) return [started];
  return [started, { type: 'RevisionAdded', data: { endpoint, revisionId, version, servable } }];
};

const weightOf = ({ weights }: Endpoint, revisionId: string): number =>
  weights.find((share) => share.revisionId === revisionId)?.weightBps ?? 0;

const reportRevisionState = (report: CommandData<'ReportRevisionState'>, state: Endpoint): Decided => {
  const { endpoint, revisionId } = report;
  const revision = state.revisions.find((candidate) => candidate.revisionId === revisionId);
  if (!revision) return reject('REVISION_UNKNOWN', { revisionId });
  const { rollout } = state;
  const isCandidate = rollout !== null && rollout.phase !== 'AwaitingGate' && rollout.plan.revisionId === revisionId;

  const failure = report.state === 'failed' ? report.reason : loadFailure(revision.servable, report);
  if (failure !== undefined) {
    if (revision.state === 'failed') return [];
    // Stable too where a last step has taken its traffic: an abort must find it ready.
    const inService = revisionId === state.stable || weightOf(state, revisionId) > 0;
    if (inService && !isCandidate) {
      // One process with a broken disk must not take the model from all; but somebody must look at that disk.
      return [{ type: 'LoadFailureReported', data: { endpoint, revisionId, reason: failure } }];
    }
    const failed: DeploymentEvent = { type: 'RevisionFailed', data: { endpoint, revisionId, reason: failure } };
    if (!isCandidate) return [failed];
    // The traffic goes first: at no version of the stream has a failed revision a share.
    const because = { reason: `The revision failed: ${failure}`.slice(0, 5000), by: null };
    return [...aborted(rollout, state, because), failed];
  }
  if (report.state !== 'loaded' || revision.state !== 'added') return [];
  const { digest, goldenRows, goldenMaxDifference, loadMs } = report;
  const loaded: DeploymentEvent = {
    type: 'RevisionLoaded',
    data: { endpoint, revisionId, digest, goldenRows, goldenMaxDifference, loadMs },
  };
  if (isCandidate && rollout.phase === 'Preparing') return [loaded, enteredStep(rollout, 0, state)];
  const newest = state.revisions.find((candidate) => candidate.state !== 'failed');
  if (state.environment !== 'staging' || newest?.revisionId !== revisionId) return [loaded];
  return [
    loaded,
    {
      type: 'WeightSet',
      data: { endpoint, rolloutId: null, step: null, routeVersion: state.routeVersion + 1, weights: allTo(revisionId) },
    },
  ];
};

const abortRollout = (
  { rolloutId, reason }: CommandData<'AbortRollout'>,
  state: Endpoint,
  metadata: CommandMetadata,
): Decided => {
  const { rollout } = state;
  const because = { reason, by: personOf(metadata) };
  if (rolloutId === null) {
    return rollout === null || rollout.phase === 'AwaitingGate' ? [] : aborted(rollout, state, because);
  }
  if (state.ended[rolloutId] === 'aborted') return [];
  return notActive(rolloutId, state) ?? (rollout ? aborted(rollout, state, because) : []);
};

const rollBack = (
  { endpoint, reason }: CommandData<'RollBack'>,
  state: Endpoint,
  metadata: CommandMetadata,
): Decided => {
  const { rollout, stable, previous, routeVersion } = state;
  if (rollout) return reject('ROLLOUT_ACTIVE', { rolloutId: rollout.plan.rolloutId, phase: rollout.phase });
  const target = state.revisions.find(({ revisionId }) => revisionId === previous);
  if (stable === null || target?.state !== 'loaded') return reject('NOTHING_TO_ROLL_BACK_TO', { endpoint });
  const { revisionId } = target;
  return [
    {
      type: 'RolledBack',
      data: { endpoint, fromRevisionId: stable, toRevisionId: revisionId, reason, by: personOf(metadata) },
    },
    {
      type: 'WeightSet',
      data: { endpoint, rolloutId: null, step: null, routeVersion: routeVersion + 1, weights: allTo(revisionId) },
    },
  ];
};

const evolveCreated = (endpoint: string, environment: Environment): Endpoint => ({
  status: 'Created',
  endpoint,
  environment,
  suspension: null,
  suspendedByUseCase: false,
  revisions: [],
  stable: null,
  previous: null,
  weights: [],
  routeVersion: 0,
  rollout: null,
  ended: {},
});

const withState = (endpoint: Endpoint, revisionId: string, state: Revision['state']): Endpoint => ({
  ...endpoint,
  revisions: endpoint.revisions.map((revision) =>
    revision.revisionId === revisionId ? { ...revision, state } : revision,
  ),
});

const ended = (endpoint: Endpoint, rolloutId: string, outcome: Endpoint['ended'][string]): Endpoint => ({
  ...endpoint,
  ended: { ...endpoint.ended, [rolloutId]: outcome },
});

const evolve = (state: EndpointState, event: DeploymentEvent): EndpointState => {
  if (event.type === 'EndpointCreated') return evolveCreated(event.data.endpoint, event.data.environment);
  if (state.status === 'None') throw new Error(`${event.type} before EndpointCreated`);
  const next: Endpoint = { ...state, rollout: evolveRollout(state.rollout, event) };
  switch (event.type) {
    case 'RevisionAdded': {
      const { revisionId, version, servable } = event.data;
      const others = next.revisions.filter((revision) => revision.revisionId !== revisionId);
      return { ...next, revisions: [{ revisionId, version, servable, state: 'added' }, ...others] };
    }
    case 'RevisionLoaded':
      return withState(next, event.data.revisionId, 'loaded');
    case 'RevisionFailed':
      return withState(next, event.data.revisionId, 'failed');
    case 'WeightSet': {
      const { weights, routeVersion, rolloutId } = event.data;
      const staged = rolloutId === null ? weights.find(({ weightBps }) => weightBps > 0)?.revisionId : undefined;
      return { ...next, weights, routeVersion, stable: staged ?? next.stable };
    }
    case 'RolloutRefused':
      return ended(next, event.data.rolloutId, 'refused');
    case 'RolloutAborted':
      return ended(next, event.data.rolloutId, 'aborted');
    case 'RolloutPromoted': {
      const { rolloutId, revisionId } = event.data;
      return ended({ ...next, stable: revisionId, previous: next.stable }, rolloutId, 'promoted');
    }
    case 'RolledBack':
      // Going forward again is a rollout with its own gate: the revision that was left is no target of a rollback.
      return { ...next, stable: event.data.toRevisionId, previous: null };
    case 'EndpointSuspended': {
      const { reason, by, at, byUseCase } = event.data;
      return byUseCase ? { ...next, suspendedByUseCase: true } : { ...next, suspension: { reason, by, at } };
    }
    case 'UseCaseSuspensionLifted':
      return { ...next, suspendedByUseCase: false };
    case 'EndpointResumed':
      return { ...next, suspension: null, suspendedByUseCase: false };
    default:
      return next;
  }
};

/** The rules of one endpoint: its revisions, its route and its rollouts. One stream, so all of it is decided at once. */
export const endpoint: Decider<EndpointState, DeploymentCommand, DeploymentEvent, DeploymentRejection> = {
  initialState: { status: 'None' },
  decide,
  evolve,
};
