/*
 * What belongs to a model, an endpoint or a use case: the streams that an auditor is handed for one of them. The rule is
 * here and nowhere else. It reads names out of event data, because that is how the contexts refer to each other.
 *
 * | of         | streams                                                                                              |
 * | ---------- | ---------------------------------------------------------------------------------------------------- |
 * | a model    | the registered model under any name it had, its versions, the runs and logged models they were made  |
 * |            | from; approvals, evidence and gates of its artifacts; evaluations and baselines of them; every       |
 * |            | endpoint that was asked to serve one, and what is around that endpoint                               |
 * | an         | the endpoint with its rollouts, and what is around it; of every version it was asked to serve what   |
 * | endpoint   | belongs to the model, without other endpoints                                                        |
 * | a use case | its own stream and its incidents; of each of its endpoints what belongs to that                      |
 *
 * Around an endpoint: use cases, incidents, monitors with their windows and alerts, data sources, baselines, labels. With
 * gates come the policies that judged them.
 */

/** What a dossier can be of. */
export type DossierOf = 'model' | 'endpoint' | 'use-case';

/** One event of the log, as stored. */
export interface DossierEvent {
  readonly streamId: string;
  /** Parsed. */
  readonly data: unknown;
}

/** Fields whose value, or each of whose values, names something; the same field means the same in every event. */
const KIND_OF_FIELD: Readonly<Record<string, string>> = {
  endpoint: 'endpoint',
  endpoints: 'endpoint',
  useCaseId: 'use-case',
  manifestDigest: 'digest',
  modelId: 'model-id',
  runId: 'run',
  sourceRunId: 'run',
  loggedModelId: 'logged-model',
  loggedModelIds: 'logged-model',
  baselineId: 'baseline',
  dataSourceId: 'data-source',
  dataSourceIds: 'data-source',
  policyId: 'policy',
};
/** Names of registered models are the field `name` in their own events. */
const NAMES_OF_MODELS = ['name', 'previousName'];

const aggregateOf = (streamId: string): string => streamId.split('/')[2] ?? '';

/** A map of sets. */
class Relation {
  readonly #sets = new Map<string, Set<string>>();

  add(from: string, to: string): void {
    const known = this.#sets.get(from);
    if (known) known.add(to);
    else this.#sets.set(from, new Set([to]));
  }

  of(from: Iterable<string>): ReadonlySet<string> {
    return new Set([...from].flatMap((one) => [...(this.#sets.get(one) ?? [])]));
  }

  keys(): readonly string[] {
    return [...this.#sets.keys()];
  }
}

/** Which streams of one workspace name what. */
export class Dossiers {
  /** `<kind> <name>` to the streams that name it. */
  readonly #streamsOf = new Relation();
  /** And back. */
  readonly #namesIn = new Relation();

  constructor(private readonly workspace: string) {}

  /** Takes the next event; of other workspaces nothing is kept. */
  add({ streamId, data }: DossierEvent): void {
    if (!streamId.startsWith(`${this.workspace}/`)) return;
    const isModel = aggregateOf(streamId) === 'registered-model';
    this.#walk(streamId, data, isModel);
  }

  #walk(streamId: string, value: unknown, isModel: boolean): void {
    if (typeof value !== 'object' || value === null) return;
    for (const [field, content] of Object.entries(value)) {
      const kind = isModel && NAMES_OF_MODELS.includes(field) ? 'model' : KIND_OF_FIELD[field];
      if (kind !== undefined) {
        for (const name of [content].flat()) {
          if (typeof name !== 'string') continue;
          this.#streamsOf.add(`${kind} ${name}`, streamId);
          this.#namesIn.add(streamId, `${kind} ${name}`);
        }
      }
      this.#walk(streamId, content, false);
    }
  }

  /** What there are dossiers of. */
  names(of: DossierOf): readonly string[] {
    return this.#streamsOf
      .keys()
      .filter((key) => key.startsWith(`${of} `) && this.#own(of, [key]).length > 0)
      .map((key) => key.slice(of.length + 1));
  }

  /** The ids of the streams, sorted; empty if there is no such thing. */
  streams(of: DossierOf, name: string): readonly string[] {
    const own = this.#own(of, [`${of} ${name}`]);
    return [...new Set(this.#all(of, own))].sort();
  }

  #all(of: DossierOf, own: readonly string[]): readonly string[] {
    if (own.length === 0) return [];
    switch (of) {
      case 'model': {
        const endpoints = this.#about(this.#names('digest', own), 'endpoint');
        return [...this.#ofModels(own), ...endpoints, ...this.#around(this.#names('endpoint', endpoints))];
      }
      case 'endpoint':
        return this.#ofEndpoints(own);
      case 'use-case': {
        const endpoints = this.#about(this.#names('endpoint', own), 'endpoint');
        return [...own, ...this.#about(this.#names('use-case', own), 'incident'), ...this.#ofEndpoints(endpoints)];
      }
    }
  }

  #ofEndpoints(endpoints: readonly string[]): readonly string[] {
    const digests = this.#names('digest', endpoints);
    const keys = this.#names('endpoint', endpoints);
    return [
      ...endpoints,
      ...this.#around(keys),
      ...this.#about(keys, 'evaluation'),
      ...this.#ofModels(this.#about(digests, 'registered-model'), digests),
    ];
  }

  /** @param digests of the versions that matter; default: all */
  #ofModels(models: readonly string[], digests = this.#names('digest', models)): readonly string[] {
    const made = this.#about(this.#names('logged-model', models), 'logged-model');
    const subjects = this.#about(digests, 'subject');
    return [
      ...models,
      ...this.#about(this.#names('model-id', models), 'model-version'),
      ...made,
      ...this.#about(this.#names('run', [...models, ...made]), 'run'),
      ...subjects,
      ...this.#about(this.#names('policy', subjects), 'policy'),
      ...this.#about(digests, 'evaluation', 'baseline', 'recheck'),
    ];
  }

  #around(endpoints: readonly string[]): readonly string[] {
    const monitors = this.#about(endpoints, 'monitor');
    return [
      ...monitors,
      ...this.#about(this.#names('baseline', monitors), 'baseline'),
      ...this.#about(this.#names('data-source', monitors), 'data-source'),
      ...this.#about(endpoints, 'ground-truth', 'incident', 'use-case'),
    ];
  }

  #own(of: DossierOf, keys: readonly string[]): readonly string[] {
    return this.#about(keys, of === 'model' ? 'registered-model' : of);
  }

  /** The streams of these aggregates that name one of the keys. */
  #about(keys: readonly string[], ...aggregates: readonly string[]): readonly string[] {
    return [...this.#streamsOf.of(keys)].filter((streamId) => aggregates.includes(aggregateOf(streamId)));
  }

  /** The keys of one kind that these streams name. */
  #names(kind: string, streams: readonly string[]): readonly string[] {
    return [...this.#namesIn.of(streams)].filter((key) => key.startsWith(`${kind} `));
  }
}
