import type { Actor, RecordedEvent } from '@kontor/event-sourcing';
import { deploymentDrafts, governanceDrafts, monitoringDrafts, registryDrafts } from './drafts.js';
import type { Sent } from './history.js';
import { type AnyEvent, Known } from './known.js';
import type { World } from './world.js';

type Draft = (known: Known) => object | undefined;

const DRAFTS: Readonly<Record<string, Readonly<Record<string, Draft>>>> = {
  registry: registryDrafts,
  deployment: deploymentDrafts,
  monitoring: monitoringDrafts,
  governance: governanceDrafts,
};

/** The events that deep states rest on, in order, and the commands that bring them about. */
const FOUNDATIONS: readonly (readonly [AnyEvent['type'], string])[] = [
  ['EndpointCreated', 'CreateEndpoint'],
  ['UseCaseRegistered', 'RegisterUseCase'],
  ['RiskTierAssigned', 'ClassifyUseCase'],
  ['PolicyActivated', 'ActivatePolicy'],
  ['ExperimentCreated', 'CreateExperiment'],
  ['RunStarted', 'StartRun'],
  ['LoggedModelCreated', 'CreateLoggedModel'],
  ['RegisteredModelCreated', 'CreateRegisteredModel'],
  ['ModelVersionRegistered', 'RegisterModelVersion'],
  ['EvaluationRequested', 'RequestEvaluation'],
  ['EvaluationCompleted', 'CompleteEvaluation'],
  ['RolloutRequested', 'RequestRollout'],
  ['BaselineRequested', 'RequestBaseline'],
  ['BaselinePinned', 'PinBaseline'],
  ['MonitorDefined', 'DefineMonitor'],
];

/** What carries something further is sent more often than the rest, which has weight 1. */
const WEIGHTS: Readonly<Record<string, number>> = {
  ActivatePolicy: 3,
  ClassifyUseCase: 2,
  CloseWindow: 10,
  CompleteEvaluation: 5,
  GiveApproval: 4,
  LogRunData: 2,
  RecordAnalysis: 24,
  RegisterModelVersion: 4,
  ReportRevisionState: 16,
  RequestEvaluation: 4,
  RequestRollout: 10,
  ResumeEndpoint: 4,
  ResumeRollout: 4,
  ResumeUseCase: 4,
  RollBack: 3,
};

const person = (id: string, ...roles: string[]): Actor => ({ id, kind: 'person', roles });
const service = (name: string): Actor => ({ id: `service:${name}`, kind: 'service', roles: [] });

const ACTORS: readonly Actor[] = [
  person('ada'),
  person('bob', 'validator'),
  person('cleo', 'validator', 'risk-officer'),
  person('olga', 'risk-officer', 'operator'),
  person('root', 'admin'),
  { id: 'local:x', kind: 'local', roles: [] },
];

/** Who sends what the platform sends itself: the data plane, and the workers that measure. */
const SERVICES: Readonly<Record<string, Actor>> = {
  ReportRevisionState: service('serving'),
  RecordAnalysis: service('deployment'),
  PinBaseline: service('monitoring'),
  FailBaseline: service('monitoring'),
  CompleteEvaluation: service('monitoring'),
  FailEvaluation: service('monitoring'),
  CloseWindow: service('monitoring'),
  ReviseWindow: service('monitoring'),
};

/** Shares of commands. */
const FOUNDING = 0.3;
const BY_ANYBODY = 0.05;
const INVALID = 0.01;
const USED_ID = 0.01;
const ELSEWHERE = 0.03;

/** What the clients do: sensible and foolish commands of all types. */
export class Workload {
  readonly #known: Known;
  readonly #types: readonly { readonly context: string; readonly type: string }[];

  constructor(
    private readonly world: World,
    events: readonly RecordedEvent[],
  ) {
    this.#known = new Known(world, events);
    // Each seed has a favourite context.
    const favourite = world.of(Object.keys(DRAFTS));
    this.#types = Object.entries(DRAFTS).flatMap(([context, drafts]) =>
      Object.keys(drafts).flatMap((type) =>
        Array.from({ length: (WEIGHTS[type] ?? 1) * (context === favourite ? 3 : 1) }, () => ({ context, type })),
      ),
    );
  }

  next(done: readonly Sent[]): Sent {
    const { world } = this;
    const used = world.happens(USED_ID) && done.length > 0 ? world.of(done) : undefined;
    for (;;) {
      const { context, type } = this.#choose();
      const drafted = DRAFTS[context]?.[type]?.(this.#known);
      if (drafted === undefined || used?.request.type === type) continue;
      const isInvalid = !used && world.happens(INVALID);
      const metadata = {
        commandId: used?.request.metadata.commandId ?? world.newId(),
        workspace: used?.request.metadata.workspace ?? (world.happens(ELSEWHERE) ? 'elsewhere' : 'default'),
        actor: world.happens(BY_ANYBODY) ? world.of(ACTORS) : (SERVICES[type] ?? this.#personFor(type)),
        now: world.now,
        correlationId: world.newId(),
      };
      const fault = used ? 'usedId' : isInvalid ? 'invalid' : undefined;
      return {
        context,
        request: { type, data: isInvalid ? { ...drafted, no: 'such field' } : drafted, metadata },
        fault,
      };
    }
  }

  #choose(): { readonly context: string; readonly type: string } {
    if (!this.world.happens(FOUNDING)) return this.world.of(this.#types);
    const missing = FOUNDATIONS.find(([event]) => this.#known.all(event).length === 0)?.[1];
    return this.#types.find(({ type }) => type === missing) ?? this.world.of(this.#types);
  }

  /** Mostly somebody who may. */
  #personFor(type: string): Actor {
    const isGoverning = [
      'ClassifyUseCase',
      'ResumeUseCase',
      'ActivatePolicy',
      'ResumeEndpoint',
      'ResumeRollout',
      'RollBack',
    ].includes(type);
    return this.world.of(isGoverning ? ACTORS.slice(3) : ACTORS);
  }
}
