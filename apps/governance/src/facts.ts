import {
  type GateContext,
  governanceCommands,
  type GovernanceEvent,
  OPEN_GATE_MS,
  openGates,
  policyStream,
  subject,
  subjectStream,
  useCaseStream,
} from '@kontor/domain/governance';
import { BEGINNING, type EventStore, fold, type Recorded } from '@kontor/event-sourcing';
import type { Enrich } from '@kontor/service';

/** The events that use cases and policies are folded from: few in number, so they are read anew for each decision. */
const CONTEXT_EVENTS = [
  'UseCaseRegistered',
  'RiskTierAssigned',
  'UseCaseSuspended',
  'UseCaseResumed',
  'PolicyActivated',
] as const satisfies readonly GovernanceEvent['type'][];

interface Asked {
  readonly endpoint: string;
  readonly environment: 'staging' | 'production';
}

interface Found {
  readonly useCases: Map<string, NonNullable<GateContext['useCase']> & { readonly endpoints: readonly string[] }>;
  readonly policies: Map<string, NonNullable<GateContext['policy']>>;
  readonly versions: Map<string, bigint>;
}

const take = (found: Found, event: Recorded<GovernanceEvent>): void => {
  found.versions.set(event.streamId, event.version);
  switch (event.type) {
    case 'UseCaseRegistered': {
      const { useCaseId, endpoints } = event.data;
      found.useCases.set(useCaseId, { useCaseId, endpoints, tier: 'UNCLASSIFIED', suspended: false });
      return;
    }
    case 'RiskTierAssigned':
    case 'UseCaseSuspended':
    case 'UseCaseResumed': {
      const { useCaseId } = event.data;
      const useCase = found.useCases.get(useCaseId);
      if (useCase === undefined) throw new Error(`${event.type} before UseCaseRegistered on ${event.streamId}`);
      const change =
        event.type === 'RiskTierAssigned'
          ? { tier: event.data.tier }
          : { suspended: event.type === 'UseCaseSuspended' };
      found.useCases.set(useCaseId, { ...useCase, ...change });
      return;
    }
    case 'PolicyActivated':
      found.policies.set(event.data.policyId, event.data);
  }
};

const collect = async (store: EventStore, workspace: string): Promise<(asked: Asked) => GateContext> => {
  const found: Found = { useCases: new Map(), policies: new Map(), versions: new Map() };
  for await (const event of store.readAll(BEGINNING, { types: CONTEXT_EVENTS })) {
    // Only the types of CONTEXT_EVENTS are read, and they are events of this context.
    if (event.workspace === workspace) take(found, event as Recorded<GovernanceEvent>);
  }
  return ({ endpoint, environment }) => {
    const useCase = [...found.useCases.values()].find(({ endpoints }) => endpoints.includes(endpoint)) ?? null;
    const tier = useCase?.tier ?? 'UNCLASSIFIED';
    const policy =
      [...found.policies.values()].find((p) => p.environment === environment && p.tiers.includes(tier)) ?? null;
    const streams = [
      ...(useCase ? [useCaseStream(workspace, useCase.useCaseId)] : []),
      ...(policy ? [policyStream(workspace, policy.policyId)] : []),
    ];
    return {
      useCase: useCase && { useCaseId: useCase.useCaseId, tier: useCase.tier, suspended: useCase.suspended },
      policy,
      restsOn: streams.map((stream) => ({ stream, version: String(found.versions.get(stream) ?? 0n) })),
    };
  };
};

type Subject = Extract<GovernanceEvent, { type: 'GatesRechecked' }>['data']['subjects'][number];

/** Artifacts with a passed decision that rests on the stream, is not used and is recent enough to be open. */
const restingOn = async (store: EventStore, workspace: string, moved: string, now: string): Promise<Subject[]> => {
  const open = new Map<string, Subject>();
  for await (const recorded of store.readAll(BEGINNING, { types: ['GateEvaluated', 'GateSettled'] })) {
    if (recorded.workspace !== workspace) continue;
    const event = recorded as Recorded<GovernanceEvent>;
    if (event.type === 'GateSettled') open.delete(event.data.rolloutId);
    if (event.type !== 'GateEvaluated') continue;
    const { rolloutId, outcome, at, restsOn } = event.data;
    const rests = outcome === 'PASS' && restsOn.some(({ stream }) => stream === moved);
    if (rests && Date.parse(now) - Date.parse(at) < OPEN_GATE_MS) open.set(rolloutId, event.data.subject);
    else open.delete(rolloutId);
  }
  return [...new Map([...open.values()].map((found) => [found.manifestDigest, found])).values()];
};

const { EvaluateGate, ReevaluateGates, RecheckGates } = governanceCommands;

/**
 * Adds to a waiting command what its decision rests on beside the artifact's own stream: use case and policy, with the
 * versions of their streams; or, after one of these moved, the artifacts that it matters to.
 *
 * The versions become guards of the rollout's start, so a use case or policy that moves after this read stops the start.
 */
export const withGateContext = (store: EventStore): Readonly<Record<string, Enrich>> => ({
  EvaluateGate: async ({ data, workspace }) => {
    const asked = EvaluateGate.parse(data);
    const contextOf = await collect(store, workspace);
    return { ...asked, context: contextOf(asked) };
  },
  ReevaluateGates: async ({ data, workspace, now }) => {
    const asked = ReevaluateGates.parse(data);
    let state = subject.initialState;
    for await (const event of store.readStream(subjectStream(workspace, asked.subject.manifestDigest))) {
      state = fold({ initialState: state, evolve: subject.evolve }, [event as Recorded<GovernanceEvent>]);
    }
    const gates = openGates(state, now);
    if (gates.length === 0) return { ...asked, contexts: {} };
    const contextOf = await collect(store, workspace);
    return { ...asked, contexts: Object.fromEntries(gates.map((gate) => [gate.rolloutId, contextOf(gate)])) };
  },
  RecheckGates: async ({ data, workspace, now }) => {
    const asked = RecheckGates.parse(data);
    return { ...asked, subjects: await restingOn(store, workspace, asked.moved, now) };
  },
});
