import { type DeploymentEvent, endpointStream } from '@kontor/domain/deployment';
import {
  type GateContext,
  governanceCommands,
  type GovernanceEvent,
  openGates,
  policy,
  type PolicyState,
  subject,
  subjectStream,
  useCase,
  type UseCaseState,
} from '@kontor/domain/governance';
import {
  BEGINNING,
  type Decider,
  type EventStore,
  fold,
  type Position,
  type Recorded,
  type StreamId,
} from '@kontor/event-sourcing';
import type { Enrich } from '@kontor/service';

/** What use cases, policies and decisions in force are folded from. */
const FOLLOWED = [
  'UseCaseRegistered',
  'RiskTierAssigned',
  'UseCaseSuspended',
  'UseCaseResumed',
  'PolicyActivated',
  'GateEvaluated',
  'GateSettled',
  'RolloutAborted',
  'RolloutRefused',
] as const satisfies readonly FollowedEvent['type'][];

type FollowedEvent = GovernanceEvent | Extract<DeploymentEvent, { type: 'RolloutAborted' | 'RolloutRefused' }>;

type Subject = Extract<GovernanceEvent, { type: 'GatesRechecked' }>['data']['subjects'][number];

interface Asked {
  readonly endpoint: string;
  readonly environment: 'staging' | 'production';
}

interface Folded<State> {
  readonly workspace: string;
  readonly stream: StreamId;
  readonly version: bigint;
  readonly state: State;
}

/** A decision that passed and is not used. */
interface OpenGate {
  readonly workspace: string;
  readonly subject: Subject;
  readonly rolloutId: string;
  readonly restsOn: readonly StreamId[];
  /** What becomes of the rollout there matters as well. */
  readonly endpoint: StreamId;
}

const keyOf = (workspace: string, rolloutId: string): string => `${workspace} ${rolloutId}`;

/**
 * Use cases, policies and open decisions of all workspaces, as the log has them.
 *
 * It reads the log from its beginning once and then only what is new. A fold that fails moves nothing, so the next read
 * begins with the same event. Reads must not overlap; the worker that carries out commands asks one after the other.
 *
 * Decisions are not folded with the subject's `evolve`: that would keep the evidence of all artifacts in memory.
 */
class GateFollower {
  #position: Position = BEGINNING;
  readonly #useCases = new Map<StreamId, Folded<UseCaseState>>();
  readonly #policies = new Map<StreamId, Folded<PolicyState>>();
  /** By workspace and rollout. */
  readonly #open = new Map<string, OpenGate>();
  /** Aborted rollouts, by workspace and rollout; their decision may come later, and is in nobody's way. */
  readonly #ended = new Set<string>();

  constructor(private readonly store: EventStore) {}

  /** Reads up to the newest committed event. */
  async readOn(): Promise<void> {
    const head = await this.store.head();
    for await (const event of this.store.readAll(this.#position, { upTo: head, types: FOLLOWED })) {
      // Only the types that are followed are read.
      this.#take(event as Recorded<FollowedEvent>);
      this.#position = event.position;
    }
    this.#position = head;
  }

  contextOf(workspace: string, { endpoint, environment }: Asked): GateContext {
    const ofWorkspace = <State>(folded: ReadonlyMap<StreamId, Folded<State>>) =>
      [...folded.values()].filter((one) => one.workspace === workspace);
    const useCase = ofWorkspace(this.#useCases).find(
      ({ state }) => state.status !== 'None' && state.endpoints.includes(endpoint),
    );
    const found = useCase?.state.status === 'Registered' ? useCase.state : undefined;
    const tier = found?.tier ?? 'UNCLASSIFIED';
    const policy = ofWorkspace(this.#policies).find(
      ({ state }) => state?.environment === environment && state.tiers.includes(tier),
    );
    const restsOn = [useCase, policy].flatMap((folded) =>
      folded ? [{ stream: folded.stream, version: String(folded.version) }] : [],
    );
    return {
      useCase: found ? { useCaseId: found.useCaseId, tier, suspended: found.suspended } : null,
      policy: policy?.state ?? null,
      restsOn,
    };
  }

  /**
   * Artifacts with an open decision that rests on the stream. That of a rollout that was aborted or refused rests on nothing
   * any more, but its end itself is what another one may have waited for.
   */
  restingOn(workspace: string, moved: string): Subject[] {
    const resting = [...this.#open.values()].filter(
      (gate) =>
        gate.workspace === workspace &&
        (gate.endpoint === moved || (gate.restsOn.includes(moved) && !this.hasEnded(workspace, gate.rolloutId))),
    );
    return [...new Map(resting.map(({ subject }) => [subject.manifestDigest, subject])).values()];
  }

  hasEnded(workspace: string, rolloutId: string): boolean {
    return this.#ended.has(keyOf(workspace, rolloutId));
  }

  #take(event: Recorded<FollowedEvent>): void {
    switch (event.type) {
      case 'GateEvaluated': {
        const { workspace } = event;
        const { rolloutId, outcome, endpoint, subject, restsOn } = event.data;
        const key = keyOf(workspace, rolloutId);
        const gate = {
          ...{ workspace, rolloutId, subject },
          ...{ restsOn: restsOn.map(({ stream }) => stream), endpoint: endpointStream(workspace, endpoint) },
        };
        if (outcome === 'PASS') this.#open.set(key, gate);
        else this.#open.delete(key);
        return;
      }
      case 'GateSettled':
        this.#open.delete(keyOf(event.workspace, event.data.rolloutId));
        return;
      case 'RolloutAborted':
      case 'RolloutRefused':
        // Its decision stays open: that it is in nobody's way any more is what others may have waited for.
        this.#ended.add(keyOf(event.workspace, event.data.rolloutId));
        return;
      case 'PolicyActivated':
        return take(this.#policies, policy, event);
      default:
        return take(this.#useCases, useCase, event);
    }
  }
}

const take = <State>(
  folded: Map<StreamId, Folded<State>>,
  { initialState, evolve }: Pick<Decider<State, never, GovernanceEvent, never>, 'initialState' | 'evolve'>,
  event: Recorded<GovernanceEvent>,
): void => {
  const { workspace, streamId: stream, version } = event;
  const state = evolve(folded.get(stream)?.state ?? initialState, event);
  folded.set(stream, { workspace, stream, version, state });
};

const { EvaluateGate, ReevaluateGates, RecheckGates } = governanceCommands;

/**
 * Adds to a waiting command what its decision rests on beside the artifact's own stream: use case and policy, with the
 * versions of their streams; or, after one of these moved, the artifacts that it matters to.
 *
 * The versions become guards of the rollout's start, so a use case or policy that moves after this read stops the start.
 */
export const withGateContext = (store: EventStore): Readonly<Record<string, Enrich>> => {
  const follower = new GateFollower(store);
  return {
    EvaluateGate: async ({ data, workspace }) => {
      const asked = EvaluateGate.parse(data);
      await follower.readOn();
      return { ...asked, context: follower.contextOf(workspace, asked) };
    },
    ReevaluateGates: async ({ data, workspace }) => {
      const asked = ReevaluateGates.parse(data);
      let state = subject.initialState;
      for await (const event of store.readStream(subjectStream(workspace, asked.subject.manifestDigest))) {
        state = fold({ initialState: state, evolve: subject.evolve }, [event as Recorded<GovernanceEvent>]);
      }
      const gates = openGates(state);
      if (gates.length === 0) return { ...asked, contexts: {} };
      await follower.readOn();
      const contexts = gates.map((gate) => [gate.rolloutId, follower.contextOf(workspace, gate)] as const);
      const ended = gates.map(({ rolloutId }) => rolloutId).filter((id) => follower.hasEnded(workspace, id));
      return { ...asked, contexts: Object.fromEntries(contexts), ended };
    },
    RecheckGates: async ({ data, workspace }) => {
      const asked = RecheckGates.parse(data);
      await follower.readOn();
      return { ...asked, subjects: follower.restingOn(workspace, asked.moved) };
    },
  };
};
