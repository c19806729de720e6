import type { CommandMetadata } from '@kontor/event-sourcing';
import type { DeploymentEvent } from '../deployment/events.js';
import type { KeptVersion, RegistryEvent, TagTarget } from './events.js';

interface NamedVersion {
  readonly modelName: string;
  readonly version: number;
}

/** A version that an endpoint holds, by the name that its model had when it came there. */
export interface ServedVersion extends NamedVersion {
  readonly endpoint: string;
}

/** What the registry knows of an endpoint of the deployment context. */
export interface ServingEndpoint {
  readonly endpoint: string;
  /** Staging loads every version by itself, so nothing rests on what it holds. */
  readonly isProduction: boolean;
  readonly revisions: ReadonlyMap<string, NamedVersion>;
  readonly weighted: readonly string[];
  readonly stable: string | null;
  /** Still loaded: a rollback gives it all the traffic at once. */
  readonly previous: string | null;
  /** Of a started rollout: it will have traffic as soon as it is loaded. */
  readonly candidate: { readonly rolloutId: string; readonly version: NamedVersion } | null;
}

const evolve = (state: ServingEndpoint | undefined, event: DeploymentEvent): ServingEndpoint | undefined => {
  if (event.type === 'EndpointCreated') {
    const { endpoint, environment } = event.data;
    const isProduction = environment === 'production';
    const none = { weighted: [], stable: null, previous: null, candidate: null };
    return { endpoint, isProduction, revisions: new Map(), ...none };
  }
  if (state === undefined) throw new Error(`${event.type} before EndpointCreated`);
  switch (event.type) {
    case 'RevisionAdded': {
      const { revisionId, version } = event.data;
      return { ...state, revisions: new Map(state.revisions).set(revisionId, version) };
    }
    case 'RolloutStarted': {
      const { rolloutId, version } = event.data;
      return { ...state, candidate: { rolloutId, version } };
    }
    case 'WeightSet': {
      const weighted = event.data.weights.filter(({ weightBps }) => weightBps > 0).map(({ revisionId }) => revisionId);
      return { ...state, weighted };
    }
    case 'RolloutAborted':
      return state.candidate?.rolloutId === event.data.rolloutId ? { ...state, candidate: null } : state;
    case 'RolloutPromoted':
      return { ...state, stable: event.data.revisionId, previous: state.stable, candidate: null };
    case 'RolledBack':
      return { ...state, stable: event.data.toRevisionId, previous: null };
    default:
      return state;
  }
};

/** Folds the stream of an endpoint into what the registry has to know of it. */
export const servingEndpoint: {
  readonly initialState: ServingEndpoint | undefined;
  readonly evolve: typeof evolve;
} = { initialState: undefined, evolve };

/** The versions that an endpoint of production holds: with traffic, about to have it, or ready to have it again. */
export const servedVersions = (state: ServingEndpoint | undefined): readonly ServedVersion[] => {
  if (!state?.isProduction) return [];
  const { endpoint, revisions, weighted, stable, previous, candidate } = state;
  const held = [...weighted, stable, previous].map((id) => (id === null ? undefined : revisions.get(id)));
  const versions = new Map<string, ServedVersion>();
  for (const named of [...held, candidate?.version]) {
    if (named === undefined) continue;
    const { modelName, version } = named;
    versions.set(JSON.stringify([modelName, version]), { endpoint, modelName, version });
  }
  return [...versions.values()];
};

/** What a registered model knows of names and aliases. */
interface Naming {
  readonly name: string;
  /** Every name that it ever had: endpoints keep the one that they were given. */
  readonly names: ReadonlySet<string>;
  readonly aliases: ReadonlyMap<string, number>;
  readonly protectedAliases: ReadonlySet<string>;
}

/** The versions of a model that must stay, of all or of some, each with what holds it. */
export const keptVersions = (
  { name, names, aliases, protectedAliases }: Naming,
  served: readonly ServedVersion[],
  of?: readonly number[],
): readonly KeptVersion[] => {
  const own = served.filter(({ modelName }) => names.has(modelName));
  const guarding = [...aliases].filter(([alias]) => protectedAliases.has(alias));
  const numbers = new Set([...own.map(({ version }) => version), ...guarding.map(([, version]) => version)]);
  return [...numbers]
    .filter((version) => of?.includes(version) ?? true)
    .sort((a, b) => a - b)
    .map((version) => ({
      modelName: name,
      version,
      endpoints: own.filter((one) => one.version === version).map(({ endpoint }) => endpoint),
      aliases: guarding.filter(([, number]) => number === version).map(([alias]) => alias),
    }));
};

/** `DeletionRefused`: everything is what it was, and it is known who tried. */
export const refuseDeletion = (
  target: TagTarget,
  keptBy: readonly KeptVersion[],
  { actor }: CommandMetadata,
): readonly RegistryEvent[] => [{ type: 'DeletionRefused', data: { target, keptBy: [...keptBy], by: actor.id } }];
