import type { Recorded, RecordedEvent } from '@kontor/event-sourcing';
import type { Check, History } from './history.js';
import type { AnyEvent, DataOf } from './known.js';

type Type = AnyEvent['type'];
type Of<Types extends Type> = Recorded<Extract<AnyEvent, { type: Types }>>;

// The log holds what the schemas of the contexts allowed, so the type says what the data are.
const is = <Types extends Type>(event: RecordedEvent, ...types: Types[]): event is Of<Types> =>
  (types as string[]).includes(event.type);

const ofType = <Types extends Type>(events: readonly RecordedEvent[], ...types: Types[]): Of<Types>[] =>
  events.filter((event): event is Of<Types> => is(event, ...types));

/** By stream. */
const streams = ({ events }: History) => Map.groupBy(events, ({ streamId }) => streamId);

/** The events of a type about a rollout, by its id; ids are unique in the runs. */
const sameRollout = (a: { readonly rolloutId: string }) => (b: RecordedEvent) =>
  (b.data as { readonly rolloutId?: string }).rolloutId === a.rolloutId;

type Gate = Of<'GateEvaluated'>;

/** Approvals of the bytes that count for a gate decision, found by reading the log up to it. */
const approvalsFor = ({ data, streamId, position }: Gate, events: readonly RecordedEvent[]) => {
  const before = events.filter((event) => event.streamId === streamId && event.position < position);
  const revoked = new Set(ofType(before, 'ApprovalRevoked').map((event) => event.data.approvalId));
  const authors = new Set(ofType(before, 'AuthorshipRecorded').flatMap((event) => event.data.authors));
  const valid = ofType(before, 'ApprovalGiven')
    .map((event) => event.data)
    .filter(({ approvalId, environment }) => !revoked.has(approvalId) && environment === data.environment)
    .filter(({ expiresAt, by }) => expiresAt > data.at && !authors.has(by) && by !== data.facts['requestedBy']);
  const saying = (meaning: string) => [...new Set(valid.filter((one) => one.meaning === meaning).map(({ by }) => by))];
  const rejected = saying('REJECTED');
  return { approved: saying('APPROVED').filter((by) => !rejected.includes(by)), rejected };
};

/**
 * What the business promises, written over the list of events and nothing else: no decider's state, no `evolve`.
 */
export const rules: Readonly<Record<string, Check>> = {
  *'a rollout starts by a passed decision about it, and nothing that it rests on has moved'({ events }) {
    for (const started of ofType(events, 'RolloutStarted')) {
      const { gateId, restsOn } = started.data.gate;
      const before = events.filter(({ position }) => position < started.position);
      const asked = ofType(before, 'RolloutRequested').find(sameRollout(started.data));
      const gate = ofType(before, 'GateEvaluated').find(({ data }) => data.gateId === gateId);
      const isAboutIt =
        gate?.data.outcome === 'PASS' &&
        gate.data.policy !== null &&
        gate.data.rolloutId === started.data.rolloutId &&
        gate.data.endpoint === started.data.endpoint &&
        gate.data.environment === asked?.data.environment &&
        gate.data.subject.manifestDigest === asked.data.version.manifestDigest &&
        gate.data.subject.manifestDigest === started.data.version.manifestDigest;
      if (!isAboutIt) yield `position ${started.position}`;
      for (const { stream, version } of [...restsOn, ...(gate?.data.restsOn ?? [])]) {
        const moved = before.filter(({ streamId }) => streamId === stream).length;
        if (String(moved) !== version) yield `position ${started.position}: ${stream} was at ${moved}, not ${version}`;
      }
    }
  },

  *'a decision counts the valid approvals of others, and no author or requester'({ events }) {
    for (const gate of ofType(events, 'GateEvaluated')) {
      const { approved, rejected } = approvalsFor(gate, events);
      const facts = gate.data.facts as { validApprovals: { actor: string }[]; rejections: string[] };
      const counted = facts.validApprovals.map(({ actor }) => actor);
      if (counted.sort().join() !== approved.sort().join())
        yield `position ${gate.position} counts ${counted.join()} instead of ${approved.join()}`;
      if (facts.rejections.toSorted().join() !== rejected.sort().join()) yield `position ${gate.position}: rejections`;
      const isOpposed = rejected.length > 0 && gate.data.rules.some(({ id }) => id === 'UNOPPOSED');
      if (isOpposed && gate.data.outcome === 'PASS') yield `position ${gate.position} passes although somebody rejects`;
    }
  },

  *'every rollout that was asked for is decided'({ events, isDrained }) {
    if (!isDrained) return;
    const decided = ofType(events, 'RolloutStarted', 'RolloutRefused', 'RolloutAborted');
    for (const asked of ofType(events, 'RolloutRequested')) {
      if (!decided.some(sameRollout(asked.data)))
        yield `${asked.data.rolloutId} at ${asked.position} waits for its gate`;
    }
  },

  *'an endpoint has one active rollout, which goes through its phases'(history) {
    for (const [stream, events] of streams(history)) {
      let active: string | undefined;
      let phase = '';
      for (const event of events) {
        const where = `${stream}@${event.version} ${event.type} in ${active ?? 'none'} ${phase}`;
        if (is(event, 'RolloutRequested')) {
          if (active !== undefined) yield where;
          [active, phase] = [event.data.rolloutId, 'requested'];
        } else if (is(event, 'RolloutStarted')) {
          if (event.data.rolloutId !== active || phase !== 'requested') yield where;
          phase = 'started';
        } else if (is(event, 'AnalysisMeasured', 'RolloutHeld', 'RolloutResumed', 'RolloutPromoted')) {
          if (event.data.rolloutId !== active || phase !== 'started') yield where;
          if (is(event, 'RolloutPromoted')) active = undefined;
        } else if (is(event, 'RolloutRefused', 'RolloutAborted')) {
          if (event.data.rolloutId !== active || (is(event, 'RolloutRefused') && phase !== 'requested')) yield where;
          active = undefined;
        }
      }
    }
  },

  *'the weights of a route are all or nothing, on loaded revisions, and the route only moves forward'(history) {
    for (const [stream, events] of streams(history)) {
      const loaded = new Set<string>();
      let weights: DataOf<'WeightSet'>['weights'] = [];
      let routeVersion = 0;
      for (const event of events) {
        if (is(event, 'RevisionLoaded')) loaded.add(event.data.revisionId);
        if (is(event, 'RevisionFailed')) loaded.delete(event.data.revisionId);
        if (is(event, 'RevisionAdded')) loaded.delete(event.data.revisionId);
        if (is(event, 'WeightSet')) {
          ({ weights } = event.data);
          const sum = weights.reduce((total, { weightBps }) => total + weightBps, 0);
          if (sum !== 10_000 && sum !== 0) yield `${stream}@${event.version}: ${sum} basis points`;
          if (event.data.routeVersion !== routeVersion + 1)
            yield `${stream}@${event.version}: route ${event.data.routeVersion}`;
          ({ routeVersion } = event.data);
        }
        const dead = weights.find(({ revisionId, weightBps }) => weightBps > 0 && !loaded.has(revisionId));
        if (dead) yield `${stream}@${event.version}: traffic for ${dead.revisionId}, which is not loaded`;
      }
    }
  },

  *'a new revision has no traffic before its rollout has started, and none after it was aborted'(history) {
    for (const [stream, events] of streams(history)) {
      if (!events.some((event) => is(event, 'EndpointCreated') && event.data.environment === 'production')) continue;
      const allowed = new Set<string>();
      const planned = new Map(ofType(events, 'RolloutRequested').map(({ data }) => [data.rolloutId, data.revisionId]));
      const promoted = new Set<string>();
      for (const [i, event] of events.entries()) {
        if (is(event, 'RolloutStarted')) allowed.add(planned.get(event.data.rolloutId) ?? '');
        if (is(event, 'RolloutPromoted')) promoted.add(event.data.revisionId);
        if (is(event, 'RolloutAborted')) {
          const revisionId = planned.get(event.data.rolloutId) ?? '';
          if (promoted.has(revisionId)) continue;
          allowed.delete(revisionId);
          const before = ofType(events.slice(0, i), 'WeightSet').at(-1)?.data.weights ?? [];
          const next = events[i + 1];
          const had = before.some((share) => share.revisionId === revisionId && share.weightBps > 0);
          if (had && !(next && is(next, 'WeightSet') && next.commandId === event.commandId))
            yield `${stream}@${event.version}: the aborted revision keeps its traffic`;
        }
        if (!is(event, 'WeightSet')) continue;
        const early = event.data.weights.find(({ revisionId, weightBps }) => weightBps > 0 && !allowed.has(revisionId));
        if (early) yield `${stream}@${event.version}: ${early.revisionId}`;
      }
    }
  },

  *'nothing is rolled out on a suspended endpoint'(history) {
    for (const [stream, events] of streams(history)) {
      const reasons = new Set<'own' | 'useCase'>();
      for (const event of events) {
        if (is(event, 'EndpointSuspended')) reasons.add(event.data.byUseCase ? 'useCase' : 'own');
        if (is(event, 'EndpointResumed')) reasons.clear();
        if (is(event, 'UseCaseSuspensionLifted')) reasons.delete('useCase');
        const isForward = is(event, 'RolloutRequested', 'RolloutStarted', 'AnalysisMeasured', 'RolloutPromoted');
        if (isForward && reasons.size > 0) yield `${stream}@${event.version}: ${event.type}`;
      }
    }
  },

  *'an endpoint is held by its use case only while that is suspended'({ events, isDrained }) {
    if (!isDrained) return;
    for (const useCase of ofType(events, 'UseCaseRegistered')) {
      const changes = ofType(events, 'UseCaseSuspended', 'UseCaseResumed').filter(
        (e) => e.streamId === useCase.streamId,
      );
      if (changes.at(-1)?.type === 'UseCaseSuspended') continue;
      for (const endpoint of useCase.data.endpoints) {
        const stream = `${useCase.workspace}/deployment/endpoint/${endpoint}`;
        const own = events.filter((event) => event.streamId === stream);
        const held = own.findLastIndex((event) => is(event, 'EndpointSuspended') && event.data.byUseCase);
        const freed = own.findLastIndex((event) => is(event, 'EndpointResumed', 'UseCaseSuspensionLifted'));
        if (held > freed) yield `${stream} is held by ${useCase.data.useCaseId}`;
      }
    }
  },

  *'version numbers of a model rise by one and are never given twice'(history) {
    for (const [stream, events] of streams(history)) {
      let next = ofType(events, 'RegisteredModelCreated')[0]?.data.firstVersion;
      for (const { data, version } of ofType(events, 'ModelVersionRegistered')) {
        if (data.version !== next) yield `${stream}@${version}: ${data.version} instead of ${next}`;
        next = data.version + 1;
      }
    }
  },

  *'the files of a version are those of its manifest until it is deleted'({ events }) {
    for (const registered of ofType(events, 'ArtifactsRegistered')) {
      const { path, modelId, version } = registered.data;
      const about = ofType(events, 'ModelVersionRegistered').find(
        ({ commandId }) => commandId === registered.commandId,
      );
      const deleted = ofType(events, 'ModelVersionDeleted').find(
        ({ workspace, data }) =>
          workspace === registered.workspace && data.modelId === modelId && data.version === version,
      );
      if (!about) {
        yield `position ${registered.position}: no version was registered with it`;
        continue;
      }
      const manifest = (about.data.artifacts?.files ?? []).map((file) => `${path}/${file.path} ${file.digest}`).sort();
      const files = new Map<string, string>();
      for (const event of events) {
        if (event.position > (deleted?.position ?? event.position)) break;
        if (event.streamId !== registered.streamId) continue;
        if (is(event, 'ArtifactStored')) files.set(event.data.path, event.data.digest);
        if (is(event, 'ArtifactRemoved')) for (const removed of event.data.files) files.delete(removed.path);
        const there = [...files].filter(([file]) => file.startsWith(`${path}/`)).map((file) => file.join(' '));
        if (event.position >= registered.position && there.sort().join() !== manifest.join())
          yield `position ${event.position}: ${there.join()} instead of ${manifest.join()}`;
      }
    }
  },

  *'an alias names a version that is there'(history) {
    for (const [stream, events] of streams(history)) {
      const present = new Set<number>();
      const aliases = new Map<string, number>();
      for (const event of events) {
        if (is(event, 'ModelVersionRegistered', 'ModelVersionRestored')) present.add(event.data.version);
        if (is(event, 'ModelVersionDeleted')) present.delete(event.data.version);
        if (is(event, 'AliasRemoved')) aliases.delete(event.data.alias);
        if (is(event, 'AliasSet')) {
          if ((aliases.get(event.data.alias) ?? null) !== event.data.previousVersion)
            yield `${stream}@${event.version}`;
          aliases.set(event.data.alias, event.data.version);
        }
        for (const [alias, named] of aliases) if (!present.has(named)) yield `${stream}@${event.version}: ${alias}`;
      }
    }
  },

  *'names of models and of experiments are unique in their workspace'({ events }) {
    const owners = new Map<string, string>();
    const take = function* ({ workspace, streamId, position }: RecordedEvent, kind: string, name: string) {
      const owner = owners.get(`${workspace} ${kind} ${name}`) ?? streamId;
      if (owner !== streamId) yield `position ${position}: ${kind} ${name} belongs to ${owner}`;
      owners.set(`${workspace} ${kind} ${name}`, streamId);
    };
    const free = ({ workspace }: RecordedEvent, kind: string, name: string): void =>
      void owners.delete(`${workspace} ${kind} ${name}`);
    for (const event of events) {
      if (is(event, 'RegisteredModelRenamed')) free(event, 'model', event.data.previousName);
      if (is(event, 'ExperimentRenamed')) free(event, 'experiment', event.data.previousName);
      if (is(event, 'RegisteredModelDeleted')) free(event, 'model', event.data.name);
      if (is(event, 'RegisteredModelCreated', 'RegisteredModelRenamed', 'RegisteredModelRestored'))
        yield* take(event, 'model', event.data.name);
      if (is(event, 'ExperimentCreated', 'ExperimentRenamed')) yield* take(event, 'experiment', event.data.name);
    }
  },

  *'an endpoint has one use case, and a tier one policy in force'({ events }) {
    const useCases = new Map<string, string>();
    const policies = new Map<string, DataOf<'PolicyActivated'>>();
    for (const event of events) {
      if (is(event, 'UseCaseRegistered'))
        for (const endpoint of event.data.endpoints) {
          const key = `${event.workspace} ${endpoint}`;
          if (useCases.has(key)) yield `position ${event.position}: ${endpoint} belongs to ${useCases.get(key)}`;
          useCases.set(key, event.data.useCaseId);
        }
      if (!is(event, 'PolicyActivated')) continue;
      const before = policies.get(event.streamId);
      if (event.data.version !== (before?.version ?? 0) + 1)
        yield `position ${event.position}: version ${event.data.version}`;
      policies.set(event.streamId, event.data);
      const others = [...policies].filter(([id]) => id !== event.streamId && id.startsWith(`${event.workspace}/`));
      for (const [id, { environment, tiers }] of others)
        if (environment === event.data.environment && tiers.some((tier) => event.data.tiers.includes(tier)))
          yield `position ${event.position}: ${id} is in force for the same tier`;
    }
  },

  *'an alert is raised once, seen while it is open, and resolved once'(history) {
    for (const [stream, events] of streams(history)) {
      const open = new Map<string, boolean>();
      for (const event of events) {
        if (is(event, 'AlertRaised')) {
          if (open.has(event.data.alertId)) yield `${stream}@${event.version}: raised twice`;
          open.set(event.data.alertId, true);
        }
        if (!is(event, 'AlertAcknowledged', 'AlertResolved')) continue;
        if (open.get(event.data.alertId) !== true) yield `${stream}@${event.version}: ${event.type} of no open alert`;
        if (is(event, 'AlertResolved')) open.set(event.data.alertId, false);
      }
    }
  },

  *'a window is closed once, and its revisions are counted'(history) {
    for (const [stream, events] of streams(history)) {
      const revisions = new Map<string, number>();
      for (const event of ofType(events, 'WindowClosed', 'WindowRevised')) {
        const { start } = event.data.window;
        const next = revisions.has(start) ? (revisions.get(start) ?? 0) + 1 : 0;
        if (next !== (is(event, 'WindowRevised') ? event.data.revision : 0))
          yield `${stream}@${event.version}: ${event.type}`;
        revisions.set(start, next);
      }
    }
  },

  *'a baseline and an evaluation have one answer, which comes after the request'(history) {
    for (const [stream, events] of streams(history)) {
      const types = events.map(({ type }) => type).join(' ');
      const isOne =
        /^(?:Baseline|Evaluation)Requested(?: (?:BaselinePinned|BaselineFailed|EvaluationCompleted|EvaluationFailed))?$/;
      if (/\/(?:baseline|evaluation)\//.test(stream) && !isOne.test(types)) yield `${stream}: ${types}`;
    }
  },

  *'what a critical alert, a version, an evaluation and a decision ask for has come about'({ events, isDrained }) {
    if (!isDrained) return;
    const once = (found: number, what: string): string[] => (found === 1 ? [] : [`${what}: ${found} times`]);
    for (const event of events) {
      const where = `position ${event.position}`;
      if (is(event, 'AlertRaised') && event.data.severity === 'critical') {
        const { alertId } = event.data;
        yield* once(
          ofType(events, 'IncidentOpened').filter(({ data }) => data.alertId === alertId).length,
          `${where}: incident`,
        );
      }
      if (is(event, 'EvaluationCompleted')) {
        const evidence = ofType(events, 'EvidenceRecorded').filter(({ data }) => data.sourceEventId === event.eventId);
        yield* once(evidence.filter(({ data }) => data.type === 'evaluation').length, `${where}: evidence`);
      }
      if (is(event, 'ModelVersionRegistered') && event.data.artifacts) {
        const { registeredBy, artifacts } = event.data;
        const said = ofType(events, 'AuthorshipRecorded').filter(
          ({ data, workspace }) =>
            workspace === event.workspace &&
            data.subject.manifestDigest === artifacts.manifestDigest &&
            data.authors.includes(registeredBy),
        );
        yield* once(said.length, `${where}: authorship of ${registeredBy}`);
      }
      if (is(event, 'RolloutRequested') && event.data.environment === 'production')
        if (!ofType(events, 'GateEvaluated').some(sameRollout(event.data))) yield `${where}: no decision`;
      if (is(event, 'RolloutStarted'))
        yield* once(ofType(events, 'GateSettled').filter(sameRollout(event.data)).length, `${where}: settled`);
    }
  },

  *'measured evidence comes from the platform, and a review from no author'({ events }) {
    for (const { data, streamId, position } of ofType(events, 'EvidenceRecorded')) {
      if (data.type !== 'review' && data.author !== 'service:governance')
        yield `position ${position}: by ${data.author}`;
      const authors = ofType(events, 'AuthorshipRecorded')
        .filter((event) => event.streamId === streamId && event.position < position)
        .flatMap((event) => event.data.authors);
      if (data.type === 'review' && authors.includes(data.author)) yield `position ${position}: by its author`;
    }
  },

  *'a param of a run keeps its value, and a tag says what it was before'({ events }) {
    const params = new Map<string, string>();
    const tags = new Map<string, string>();
    for (const event of events) {
      if (is(event, 'RunDataLogged'))
        for (const { key, value } of event.data.params) {
          const param = `${event.streamId} ${key}`;
          if (params.has(param)) yield `position ${event.position}: ${key} was ${params.get(param)} and is ${value}`;
          params.set(param, value);
        }
      if (is(event, 'LoggedModelCreated', 'RegisteredModelCreated', 'ExperimentCreated', 'RunStarted'))
        for (const { key, value } of event.data.tags) tags.set(`${event.streamId} ${key}`, value);
      if (is(event, 'RunDataLogged'))
        for (const { key, value } of event.data.tags) tags.set(`${event.streamId} ${key}`, value);
      if (!is(event, 'TagSet', 'TagRemoved')) continue;
      const tag = `${event.streamId} ${event.data.key}`;
      if ((tags.get(tag) ?? null) !== event.data.previousValue) yield `position ${event.position}: ${tags.get(tag)}`;
      if (is(event, 'TagSet')) tags.set(tag, event.data.value);
      else tags.delete(tag);
    }
  },

  *'a scorer gives no number twice, and loses what it has'({ events }) {
    const present = new Map<string, number[]>();
    const last = new Map<string, number>();
    for (const event of events) {
      if (!is(event, 'ScorerRegistered', 'ScorerVersionsDeleted')) continue;
      const { streamId, position } = event;
      const versions = present.get(streamId) ?? [];
      if (is(event, 'ScorerRegistered')) {
        const { version } = event.data;
        if (version !== (last.get(streamId) ?? 0) + 1) yield `position ${position}: ${version}`;
        last.set(streamId, version);
        present.set(streamId, [...versions, version]);
      } else {
        const { versions: deleted, versionsLeft } = event.data;
        const left = versions.filter((version) => !deleted.includes(version));
        if (left.length !== versionsLeft || left.length + deleted.length !== versions.length)
          yield `position ${position}: ${versions.join()} without ${deleted.join()}`;
        present.set(streamId, left);
      }
    }
  },

  *'a record of a dataset is there once, and only what is there changes or goes'({ events }) {
    const present = new Set<string>();
    for (const event of events) {
      const { streamId, position } = event;
      const of = (recordId: string): string => `${streamId} ${recordId}`;
      if (is(event, 'EvaluationDatasetRecordsMerged')) {
        const { inserted, updated } = event.data;
        for (const { recordId } of inserted)
          if (present.size === present.add(of(recordId)).size) yield `position ${position}: ${recordId} again`;
        for (const { recordId } of updated)
          if (!present.has(of(recordId))) yield `position ${position}: ${recordId} is not there`;
      }
      if (is(event, 'EvaluationDatasetRecordsDeleted'))
        for (const recordId of event.data.recordIds)
          if (!present.delete(of(recordId))) yield `position ${position}: ${recordId} was not there`;
    }
  },
};
