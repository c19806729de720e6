import { fold } from '@kontor/event-sourcing';
import { deciderSpec, metadata } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { endpoint } from './endpoint.js';
import {
  abortedEvent,
  added,
  analysis,
  canary,
  command,
  created,
  files,
  gate,
  GATE,
  live,
  loaded,
  POLICY,
  promotedEvent,
  reportFailed,
  reportLoaded,
  request,
  requested,
  revisionId,
  ROLLOUT,
  servable,
  start,
  started,
  traffic,
  uuid,
  version,
  weightSet,
} from './endpoint.fixture.js';
import { type DeploymentCommand, deploymentCommands } from './commands.js';
import type { DeploymentEvent } from './events.js';
import { emptyMeasurement } from './measurement.js';
import { manifestDigestOf } from '../version-artifacts.js';
import { routeOf } from './route-fold.js';

const { given } = deciderSpec(endpoint);
const create = command('CreateEndpoint', { endpoint: 'credit', environment: 'production', description: '' });
const stage = (n: number) =>
  command('StageVersion', { endpoint: 'credit', version: version(n), servable: servable(n) });
const abort = (rolloutId: string | null) =>
  command('AbortRollout', { rolloutId, endpoint: 'credit', reason: 'too slow' });
const resume = command('ResumeRollout', { rolloutId: ROLLOUT, endpoint: 'credit', reason: 'intended' });
const rollBack = command('RollBack', { endpoint: 'credit', reason: 'wrong prices' });
const suspend = command('SuspendEndpoint', { endpoint: 'credit', reason: 'incident' });
const types = (events: readonly { readonly type: string }[]) => events.map(({ type }) => type);
const held = {
  type: 'RolloutHeld',
  data: { rolloutId: ROLLOUT, endpoint: 'credit', step: 0, reason: 'no data' },
} as const;

describe('an endpoint', () => {
  it('is created once', () => {
    given([]).when(create).then([created()]);
    given([created()]).when(create).thenRejected('ENDPOINT_EXISTS');
  });

  it('is needed for everything else', () => {
    given([]).when(request()).thenRejected('ENDPOINT_UNKNOWN', { endpoint: 'credit' });
  });

  it('is suspended by one person, aborts its rollout, and is suspended only once', () => {
    const suspended = {
      type: 'EndpointSuspended',
      data: { endpoint: 'credit', reason: 'incident', by: 'ada', byUseCase: false, at: metadata().now },
    } as const;
    given(canary)
      .when(suspend)
      .then([
        suspended,
        abortedEvent('The endpoint was suspended: incident', 'ada'),
        weightSet(3, { [revisionId(1)]: 10_000 }, { rolloutId: ROLLOUT, step: null }),
      ]);
    given([...live, suspended])
      .when(suspend)
      .thenNothing();
    given([...live, suspended])
      .when(request())
      .thenRejected('ENDPOINT_SUSPENDED');
    const lift = command('ResumeEndpoint', { endpoint: 'credit', reason: 'over' });
    expect(
      types(
        given([...live, suspended])
          .when(lift)
          .events(),
      ),
    ).toEqual(['EndpointResumed']);
    given(live).when(lift).thenNothing();
  });

  it('stays suspended as long as its use case is', () => {
    const own = { actor: { id: 'service:deployment', kind: 'service', roles: [] } } as const;
    const data = { endpoint: 'credit', reason: 'incident', onBehalfOf: 'eve' };
    const withUseCase = command('SuspendEndpoint', data, own);
    const lift = command('ResumeEndpoint', { endpoint: 'credit', reason: 'over' });
    const liftWithUseCase = command('ResumeEndpoint', data, own);
    const suspended = given(live).when(suspend).events();
    const both = given([...live, ...suspended])
      .when(withUseCase)
      .events();
    expect(both).toMatchObject([{ type: 'EndpointSuspended', data: { by: 'eve', byUseCase: true } }]);
    given([...live, ...suspended, ...both])
      .when(withUseCase)
      .thenNothing();
    given([...live, ...suspended, ...both])
      .when(lift)
      .thenRejected('SUSPENDED_BY_USE_CASE', { endpoint: 'credit' });
    expect(
      types(
        given([...live, ...suspended, ...both])
          .when(liftWithUseCase)
          .events(),
      ),
    ).toEqual(['UseCaseSuspensionLifted']);
    expect(
      types(
        given([...live, ...both])
          .when(liftWithUseCase)
          .events(),
      ),
    ).toEqual(['EndpointResumed']);
    given([...live, ...suspended])
      .when(liftWithUseCase)
      .thenNothing();
  });

  it('stays suspended by one person, whatever becomes of its use case, and in whatever order', () => {
    const own = { actor: { id: 'service:deployment', kind: 'service', roles: [] } } as const;
    const data = { endpoint: 'credit', reason: 'complaints', onBehalfOf: 'eve' };
    const steps = {
      person: suspend,
      useCase: command('SuspendEndpoint', data, own),
    };
    for (const order of [
      ['person', 'useCase'],
      ['useCase', 'person'],
    ] as const) {
      let events = live;
      for (const step of order) events = [...events, ...given(events).when(steps[step]).events()];
      expect(events.slice(live.length).map(({ type }) => type)).toEqual(['EndpointSuspended', 'EndpointSuspended']);
      events = [
        ...events,
        ...given(events)
          .when(command('ResumeEndpoint', data, own))
          .events(),
      ];
      expect(events.at(-1)).toMatchObject({
        type: 'UseCaseSuspensionLifted',
        data: { by: 'eve', suspension: { by: 'ada', reason: 'incident' } },
      });
      given(events).when(request()).thenRejected('ENDPOINT_SUSPENDED');
      expect(routeOf(fold(endpoint, events), { workspace: 'default', streamVersion: 1n })?.suspended).toBe(true);
      const lift = command('ResumeEndpoint', { endpoint: 'credit', reason: 'over' });
      events = [...events, ...given(events).when(lift).events()];
      expect(events.at(-1)?.type).toBe('EndpointResumed');
      expect(routeOf(fold(endpoint, events), { workspace: 'default', streamVersion: 1n })?.suspended).toBe(false);
    }
  });

  it('is sent traffic again by an operator, an owner or an admin, and stopped by anybody', () => {
    const as = (...roles: string[]) => ({ actor: { id: 'max', kind: 'person', roles } }) as const;
    const anyOf = ['operator', 'owner', 'admin'];
    const lift = { endpoint: 'credit', reason: 'over' };
    const suspended = given(live)
      .when(command('SuspendEndpoint', lift, as()))
      .events();
    given([...live, ...suspended])
      .when(command('ResumeEndpoint', lift, as('data-scientist')))
      .thenRejected('ROLE_REQUIRED', { actor: 'max', anyOf });
    given(live)
      .when(command('RollBack', lift, as()))
      .thenRejected('ROLE_REQUIRED', { actor: 'max', anyOf });
    given([...canary, held])
      .when(command('ResumeRollout', { rolloutId: ROLLOUT, ...lift }, as()))
      .thenRejected('ROLE_REQUIRED', { actor: 'max', anyOf });
    for (const role of anyOf) {
      expect(
        types(
          given([...live, ...suspended])
            .when(command('ResumeEndpoint', lift, as(role)))
            .events(),
        ),
      ).toEqual(['EndpointResumed']);
    }
  });

  it('names who suspended the use case, but believes nobody else about that', () => {
    const data = { endpoint: 'credit', reason: 'incident', onBehalfOf: 'eve' };
    const by = (actor: Parameters<typeof metadata>[0]) =>
      given(live)
        .when(command('SuspendEndpoint', data, actor))
        .events()[0]?.data;
    expect(by({ actor: { id: 'service:deployment', kind: 'service', roles: [] } })).toMatchObject({ by: 'eve' });
    expect(by({})).toMatchObject({ by: 'ada' });
  });
});

describe('a staged version', () => {
  it('creates its endpoint and gets all traffic as soon as it is loaded', () => {
    given([])
      .when(stage(1))
      .then([
        {
          type: 'EndpointCreated',
          data: { endpoint: 'credit', environment: 'staging', description: 'Staging of credit' },
        },
        added(1),
      ]);
    given([created('staging'), added(1)])
      .when(reportLoaded(revisionId(1), 1))
      .then([loaded(1), weightSet(1, { [revisionId(1)]: 10_000 })]);
  });

  it('is staged once, and not on a production endpoint', () => {
    given([created('staging'), added(1)])
      .when(stage(1))
      .thenNothing();
    given([created()]).when(stage(1)).thenRejected('ENDPOINT_NOT_STAGING');
  });

  it('leaves traffic to a newer one that was loaded before it', () => {
    given([created('staging'), added(1), added(2), loaded(2)])
      .when(reportLoaded(revisionId(1), 1))
      .then([loaded(1)]);
  });

  it('does not share its number with a version of another model', () => {
    const other = command('StageVersion', {
      endpoint: 'credit',
      version: { ...version(1), modelName: 'other' },
      servable: servable(1),
    });
    given([created('staging'), added(1)])
      .when(other)
      .thenRejected('VERSION_NUMBER_TAKEN');
  });
});

describe('a rollout request', () => {
  it('waits for the gate and touches no route', () =>
    given(live)
      .when(request())
      .then([requested(2)]));

  it('is refused on a staging endpoint, whose gate nobody would judge', () =>
    given([created('staging'), added(1), loaded(1)])
      .when(request())
      .thenRejected('STAGING_HAS_NO_ROLLOUTS', { endpoint: 'credit' }));

  it('is refused while another rollout is active', () =>
    given([...live, requested(3, uuid(7))])
      .when(request())
      .thenRejected('ROLLOUT_ACTIVE', { rolloutId: uuid(7), phase: 'AwaitingGate' }));

  it('is refused for the version that has all traffic', () =>
    given(live).when(request(1)).thenRejected('ALREADY_STABLE'));

  it('is refused for a file that is not of the digest, which is all that is approved', () => {
    const { data } = request() as Extract<DeploymentCommand, { type: 'RequestRollout' }>;
    const other = servable(3);
    const waiting = given(live);
    const refused = (change: object) => waiting.when(command('RequestRollout', { ...data, ...change }));
    refused({ servable: other }).thenRejected('DIGEST_MISMATCH', {
      version: version(2),
      problem: `no model.onnx of 1000 bytes with the digest ${other.digest} is among the files`,
    });
    refused({ servable: { ...data.servable, flavor: 'decision-table' } }).thenRejected('DIGEST_MISMATCH');
    refused({ servable: other, files: files(3) }).thenRejected('DIGEST_MISMATCH');
    refused({ files: [] }).thenRejected('DIGEST_MISMATCH');
    const golden = [...data.files, { path: 'golden.json', sizeBytes: 1, digest: version(1).manifestDigest }];
    // Golden outputs that exist cannot be left out: they would not be compared.
    refused({
      files: golden,
      version: { ...version(2), manifestDigest: manifestDigestOf(golden) },
    }).thenRejected('DIGEST_MISMATCH');
  });

  it('needs a new id for a retry, and gets a new revision id', () => {
    const ended = [...canary, abortedEvent('too slow', 'ada'), weightSet(3, { [revisionId(1)]: 10_000 })];
    given(ended).when(request()).thenRejected('ROLLOUT_ID_USED', { rolloutId: ROLLOUT, outcome: 'aborted' });
    expect(
      given(ended)
        .when(request(2, uuid(9)))
        .events()[0]?.data,
    ).toMatchObject({ revisionId: `${revisionId(2)}-2` });
  });
});

describe('a gate decision', () => {
  it('starts the rollout it was made for, and loads before any traffic', () =>
    given([...live, requested(2)])
      .when(start())
      .then([started(2), added(2)]));

  it('starts no other rollout, version or environment, and none that did not pass', () => {
    const waiting = given([...live, requested(2)]);
    waiting.when(start({ rolloutId: uuid(8) })).thenRejected('GATE_MISMATCH');
    waiting.when(start({ subject: version(3) })).thenRejected('GATE_MISMATCH');
    waiting.when(start({ environment: 'staging' })).thenRejected('GATE_MISMATCH');
    // Another endpoint has another use case, so another tier and another gate table.
    waiting.when(start({ endpoint: 'loans' })).thenRejected('GATE_MISMATCH');
    waiting.when(start({ outcome: 'NEEDS' })).thenRejected('GATE_MISMATCH', {
      gateId: GATE,
      mismatch: 'outcome is NEEDS, not PASS',
    });
  });

  it('must have applied a policy, and rest on that and on these bytes as they stood', () => {
    const waiting = given([...live, requested(2)]);
    const [bytes, policy] = gate().restsOn;
    if (!bytes || !policy) throw new Error('the fixture rests on both');
    waiting.when(start({ policy: null })).thenRejected('GATE_MISMATCH', {
      gateId: GATE,
      mismatch: 'it applied no policy',
    });
    waiting.when(start({ restsOn: [policy] })).thenRejected('GATE_MISMATCH');
    waiting.when(start({ restsOn: [bytes] })).thenRejected('GATE_MISMATCH');
    waiting.when(start({ restsOn: [bytes, { ...policy, version: '2' }] })).thenRejected('GATE_MISMATCH', {
      gateId: GATE,
      mismatch: `it does not rest on version 3 of ${POLICY}`,
    });
    waiting
      .when(start({ restsOn: [{ ...bytes, stream: 'default/governance/subject/1' }, policy] }))
      .thenRejected('GATE_MISMATCH');
  });

  it('starts nothing if the version was deleted meanwhile', () => {
    const reasons = ['The version was deleted after the rollout was requested.'];
    given([...live, requested(2)])
      .when(start({}, true))
      .then([{ type: 'RolloutRefused', data: { rolloutId: ROLLOUT, endpoint: 'credit', gateId: GATE, reasons } }]);
  });

  it('that was not used within an hour starts nothing: approvals expire by time alone', () => {
    const waiting = given([...live, requested(2)]);
    expect(types(waiting.when(start({ at: '2026-06-01T11:00:00.001Z' })).events())[0]).toBe('RolloutStarted');
    expect(waiting.when(start({ at: '2026-06-01T11:00:00.000Z' })).events()).toMatchObject([
      { type: 'RolloutRefused', data: { gateId: GATE, reasons: [expect.stringContaining('within an hour')] } },
    ]);
  });

  it('comes too late for an aborted or a running rollout', () => {
    given([...live, requested(2), abortedEvent('changed my mind', 'ada')])
      .when(start())
      .thenRejected('ROLLOUT_NOT_AWAITING_GATE', { rolloutId: ROLLOUT, phase: 'aborted' });
    given(canary).when(start()).thenRejected('ROLLOUT_NOT_AWAITING_GATE');
  });

  it('is taken from the platform itself only', () => {
    const data = { rolloutId: ROLLOUT, endpoint: 'credit', gate: gate(), versionDeleted: false };
    given([...live, requested(2)])
      .when(command('StartRollout', data, {}))
      .thenRejected('SERVICE_ONLY', { actor: 'ada' });
  });

  it('that did not pass is kept with its reasons, once', () => {
    const data = { rolloutId: ROLLOUT, endpoint: 'credit', gateId: GATE, reasons: ['G1: no approval'] };
    const refused = { type: 'RolloutRefused', data } as const;
    given([...live, requested(2)])
      .when(command('RefuseRollout', data))
      .then([refused]);
    given([...live, requested(2), refused])
      .when(command('RefuseRollout', data))
      .thenNothing();
    given(canary).when(command('RefuseRollout', data)).thenRejected('ROLLOUT_NOT_AWAITING_GATE');
  });
});

describe('a revision report', () => {
  const preparing = [...live, requested(2), started(2), added(2)];

  it('of a loaded canary enters the first step, newest first in the route', () => {
    const share = weightSet(2, { [revisionId(2)]: 100, [revisionId(1)]: 9900 }, { rolloutId: ROLLOUT, step: 0 });
    given(preparing)
      .when(reportLoaded(revisionId(2), 2))
      .then([loaded(2), share]);
    given(canary)
      .when(reportLoaded(revisionId(2), 2))
      .thenNothing();
  });

  it('with other bytes than were registered fails the revision and the rollout', () =>
    expect(
      types(
        given(preparing)
          .when(reportLoaded(revisionId(2), 3))
          .events(),
      ),
    ).toEqual(['RolloutAborted', 'RevisionFailed']));

  it('of a failed canary takes its traffic away first', () =>
    expect(
      types(
        given(canary)
          .when(reportFailed(revisionId(2)))
          .events(),
      ),
    ).toEqual(['RolloutAborted', 'WeightSet', 'RevisionFailed']));

  it('cannot take the stable revision out of service, and is recorded: also that of other bytes', () => {
    const reason = 'protobuf parsing failed';
    const reported = {
      type: 'LoadFailureReported',
      data: { endpoint: 'credit', revisionId: revisionId(1), reason },
    } as const;
    given(canary)
      .when(reportFailed(revisionId(1)))
      .then([reported]);
    const otherBytes = given([...canary, reported])
      .when(reportLoaded(revisionId(1), 3))
      .events();
    expect(otherBytes).toMatchObject([
      {
        type: 'LoadFailureReported',
        data: {
          reason: `the digest of the loaded file is ${servable(3).digest}, registered was ${servable(1).digest}`,
        },
      },
    ]);
    // The route is what it was.
    const routeAfter = (events: readonly DeploymentEvent[]) =>
      routeOf(fold(endpoint, events), { workspace: 'default', streamVersion: 1n });
    expect(routeAfter([...canary, reported, ...otherBytes])).toEqual(routeAfter(canary));
  });

  it('comes from the data plane, not from any other service or person', () => {
    const { data } = reportFailed(revisionId(2)) as Extract<DeploymentCommand, { type: 'ReportRevisionState' }>;
    for (const actor of [
      { id: 'service:monitoring', kind: 'service', roles: [] },
      { id: 'service:serving', kind: 'person', roles: [] },
    ] as const) {
      given(canary)
        .when(command('ReportRevisionState', data, { actor }))
        .thenRejected('SERVICE_ONLY');
    }
  });

  it('names a revision of the endpoint', () =>
    given(live).when(reportLoaded('v9', 2)).thenRejected('REVISION_UNKNOWN', { revisionId: 'v9' }));
});

describe('an analysis', () => {
  it('that passes goes to the next step, and from the last one to all traffic', () => {
    const good = analysis(0, traffic(500), traffic(5000));
    const events = given(canary).when(good).events();
    expect(types(events)).toEqual(['AnalysisMeasured', 'WeightSet']);
    const second = [...canary, ...events];
    const last = given(second)
      .when(analysis(1, traffic(500), traffic(5000)))
      .events();
    expect(types(last)).toEqual(['AnalysisMeasured', 'RolloutPromoted', 'WeightSet']);
    expect(last[2]?.data).toMatchObject({ weights: [{ revisionId: revisionId(2), weightBps: 10_000 }] });
  });

  it('that fails gives all traffic back to stable in the same commit', () => {
    const events = given(canary)
      .when(analysis(0, traffic(100, { errors: 40 }), traffic(5000)))
      .events();
    expect(types(events)).toEqual(['AnalysisMeasured', 'RolloutAborted', 'WeightSet']);
    expect(events[2]).toEqual(weightSet(3, { [revisionId(1)]: 10_000 }, { rolloutId: ROLLOUT, step: null }));
  });

  it('without enough data waits, and at the deadline is held: neither a pass nor a failure', () => {
    given(canary)
      .when(analysis(0, emptyMeasurement(), traffic(50)))
      .thenNothing();
    const events = given(canary)
      .when(analysis(0, emptyMeasurement(), traffic(50), 600_000))
      .events();
    expect(types(events)).toEqual(['AnalysisMeasured', 'RolloutHeld']);
    expect(events[0]?.data).toMatchObject({ verdict: 'inconclusive' });
  });

  it('still aborts a held rollout, but never moves it forward', () => {
    given([...canary, held])
      .when(analysis(0, traffic(500), traffic(5000)))
      .thenNothing();
    const events = given([...canary, held])
      .when(analysis(0, traffic(100, { errors: 40 }), traffic(5000)))
      .events();
    expect(types(events)).toEqual(['AnalysisMeasured', 'RolloutAborted', 'WeightSet']);
  });

  it('of a changed distribution asks a person once', () => {
    const other = traffic(600, { scoreCounts: [...traffic(600).scoreCounts].reverse() });
    const asked = given(canary)
      .when(analysis(0, other, traffic(5000)))
      .events();
    expect(types(asked)).toEqual(['AnalysisMeasured', 'RolloutHeld']);
    const answered = [
      ...canary,
      ...asked,
      ...given([...canary, ...asked])
        .when(resume)
        .events(),
    ];
    const next = given(answered)
      .when(analysis(0, other, traffic(5000)))
      .events();
    expect(types(next)).toEqual(['AnalysisMeasured', 'WeightSet']);
  });

  it('belongs to the step that the rollout is in', () => {
    given(canary)
      .when(analysis(1, traffic(500), traffic(5000)))
      .thenRejected('STEP_MOVED');
    given(live)
      .when(analysis(0, traffic(500), traffic(5000)))
      .thenRejected('STEP_MOVED');
  });

  it('of a first rollout measures a revision that has all traffic from the first step', () => {
    const first = [created(), requested(2), started(2), added(2)];
    const entered = given(first)
      .when(reportLoaded(revisionId(2), 2))
      .events();
    expect(entered[1]).toEqual(weightSet(1, { [revisionId(2)]: 10_000 }, { rolloutId: ROLLOUT, step: 0 }));
    const begun = [...first, ...entered];
    const second = given(begun)
      .when(analysis(0, traffic(500), null))
      .events();
    const last = given([...begun, ...second])
      .when(analysis(1, traffic(500), null))
      .events();
    expect(types(last)).toEqual(['AnalysisMeasured', 'RolloutPromoted']);
    const failed = given(begun)
      .when(analysis(0, traffic(100, { nonFiniteOutputs: 1 }), null))
      .events();
    expect(failed.at(-1)?.data).toMatchObject({ weights: [] });
  });
});

describe('an abort', () => {
  it('is legal in every active state, and idempotent', () => {
    const states = [[...live, requested(2)], [...live, requested(2), started(2), added(2)], canary, [...canary, held]];
    for (const state of states) {
      const events = given(state).when(abort(ROLLOUT)).events();
      expect(events[0]).toEqual(abortedEvent('too slow', 'ada'));
      given([...state, ...events])
        .when(abort(ROLLOUT))
        .thenNothing();
    }
  });

  it('names an active rollout of the endpoint', () => {
    given(live)
      .when(abort(uuid(1)))
      .thenRejected('ROLLOUT_NOT_ACTIVE', { rolloutId: uuid(1), outcome: 'promoted' });
    given(live)
      .when(abort(uuid(5)))
      .thenRejected('ROLLOUT_UNKNOWN', { rolloutId: uuid(5) });
  });

  it('by an alert needs no id, and leaves a rollout alone that has not started', () => {
    expect(types(given(canary).when(abort(null)).events())).toEqual(['RolloutAborted', 'WeightSet']);
    given([...live, requested(2)])
      .when(abort(null))
      .thenNothing();
    given(live).when(abort(null)).thenNothing();
  });
});

describe('a resumption', () => {
  it('needs a held rollout', () => {
    given([...canary, held])
      .when(resume)
      .then([
        { type: 'RolloutResumed', data: { rolloutId: ROLLOUT, endpoint: 'credit', by: 'ada', reason: 'intended' } },
      ]);
    const robot = { actor: { id: 'service:deployment', kind: 'service', roles: ['operator'] } } as const;
    given([...canary, held])
      .when(command('ResumeRollout', { rolloutId: ROLLOUT, endpoint: 'credit', reason: 'go on' }, robot))
      .thenRejected('ROLE_REQUIRED');
    given(canary).when(resume).thenRejected('ROLLOUT_NOT_HELD', { phase: 'Stepping' });
    given(live).when(resume).thenRejected('ROLLOUT_UNKNOWN');
  });
});

describe('a reason', () => {
  it('says something wherever a person stops, resumes or takes back', () => {
    const said = (reason: string) => ({ endpoint: 'credit', reason });
    const { ResumeRollout, AbortRollout, RollBack, SuspendEndpoint, ResumeEndpoint } = deploymentCommands;
    for (const blank of ['', ' \n']) {
      for (const schema of [RollBack, SuspendEndpoint, ResumeEndpoint]) {
        expect(schema.safeParse(said(blank)).success).toBe(false);
      }
      for (const schema of [ResumeRollout, AbortRollout]) {
        expect(schema.safeParse({ rolloutId: ROLLOUT, ...said(blank) }).success).toBe(false);
      }
    }
    expect(SuspendEndpoint.safeParse(said('fumes')).success).toBe(true);
  });
});

describe('a rollback', () => {
  const second = [
    ...canary,
    promotedEvent(2),
    weightSet(3, { [revisionId(2)]: 10_000 }, { rolloutId: ROLLOUT, step: null }),
  ];

  it('goes to the revision before, which needs no new gate, once', () => {
    const back = given(second).when(rollBack).events();
    expect(back).toEqual([
      {
        type: 'RolledBack',
        data: {
          endpoint: 'credit',
          fromRevisionId: revisionId(2),
          toRevisionId: revisionId(1),
          reason: 'wrong prices',
          by: 'ada',
        },
      },
      weightSet(4, { [revisionId(1)]: 10_000 }),
    ]);
    given([...second, ...back])
      .when(rollBack)
      .thenRejected('NOTHING_TO_ROLL_BACK_TO');
  });

  it('has nowhere to go without one, and waits for the end of a rollout', () => {
    given(live).when(rollBack).thenRejected('NOTHING_TO_ROLL_BACK_TO');
    given(canary).when(rollBack).thenRejected('ROLLOUT_ACTIVE');
  });
});
