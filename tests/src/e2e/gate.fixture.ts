import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandReply, connectNats, sendCommand } from '@kontor/messaging';
import { loadPrivateKey, signAssertion, signToken, TOKEN_ISSUER } from '@kontor/service/process';
import { eventually, uuidv7 } from '@kontor/testing';
import { type Platform, repositoryRoot } from '../platform.js';

/** Everybody who comes to the doors. */
export interface Visitor {
  readonly id: string;
  readonly roles: readonly string[];
}

export interface Version {
  readonly modelName: string;
  readonly version: number;
  readonly manifestDigest: string;
}

export interface LoggedEvent {
  readonly position: string;
  readonly type: string;
  readonly actor: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- specs look into events of many shapes
  readonly data: any;
}

/** A command as it is put on the wire, and what can be wrong with it. */
export interface Forgery {
  readonly issuer?: string;
  readonly actor?: { readonly id: string; readonly kind: 'person' | 'service' | 'local'; readonly roles: string[] };
  readonly commandId?: string;
  readonly assertedId?: string;
  readonly assertion?: string;
  readonly tamper?: (text: string) => string;
}

const MODEL = join(repositoryRoot(), 'apps/cli/demo/employment/models/employment-rules-1/decision-table.json');

/** The doors of a running platform, as somebody uses them who wants a version in production without its gate. */
export class Doors {
  readonly #keysDir: string;
  readonly #tokens = new Map<string, Promise<string>>();

  constructor(private readonly platform: Platform) {
    this.#keysDir = join(platform.dataDir, 'keys');
  }

  /** GraphQL; without a visitor as the local user of open mode. */
  async graphql<T>(query: string, variables: object, by?: Visitor): Promise<T> {
    const response = await fetch(`${this.platform.gatewayUrl}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(await this.#authorization(by)) },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as { data?: T; errors?: unknown };
    if (!data || errors) throw new Error(`GraphQL answered ${response.status}: ${JSON.stringify(errors)}`);
    return data;
  }

  /** A mutation: its payload's position, or the code of what was wrong. */
  async act(mutation: string, input: object, by?: Visitor): Promise<string> {
    const name = mutation.charAt(0).toUpperCase() + mutation.slice(1);
    const query = `mutation($input: ${name}Input!) { answer: ${mutation}(input: $input) {
      __typename ... on Problem { message } ... on Rejection { rejection } } }`;
    const { answer } = await this.graphql<{ answer: { __typename: string; rejection?: string } }>(query, { input }, by);
    return answer.__typename === `${name}Payload` ? 'accepted' : (answer.rejection ?? answer.__typename);
  }

  /** A call of MLflow's REST API; `body` as bytes goes to the artifact proxy. */
  async mlflow(
    path: string,
    body: object | string,
    by: Visitor,
    method = 'POST',
  ): Promise<{ readonly status: number; readonly body: Record<string, never> & { rejection?: string } }> {
    const isBytes = typeof body === 'string';
    const root = isBytes ? '/api/2.0/mlflow-artifacts/artifacts/' : '/api/2.0/mlflow/';
    const response = await fetch(`${this.platform.gatewayUrl}${root}${path}`, {
      method: isBytes && method === 'POST' ? 'PUT' : method,
      headers: { ...(await this.#authorization(by)), ...(!isBytes && { 'content-type': 'application/json' }) },
      ...(method !== 'DELETE' && { body: isBytes ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
  }

  /** A run with one decision table of a given default score, registered as a version and loaded in staging. */
  async register(modelName: string, defaultScore: number, by: Visitor): Promise<Version & { readonly folder: string }> {
    const created = await this.mlflow('experiments/create', { name: randomUUID() }, by);
    const { experiment_id } = created.body as unknown as { experiment_id: string };
    const started = await this.mlflow('runs/create', { experiment_id }, by);
    const { run } = started.body as unknown as { run: { info: { run_id: string } } };
    const table = JSON.parse(readFileSync(MODEL, 'utf8')) as { default: { score: number } };
    table.default.score = defaultScore;
    const folder = `${experiment_id}/${run.info.run_id}/artifacts/model`;
    await this.mlflow(`${folder}/decision-table.json`, JSON.stringify(table), by);
    await this.mlflow('registered-models/create', { name: modelName }, by);
    const source = { name: modelName, source: `runs:/${run.info.run_id}/model`, run_id: run.info.run_id };
    const registered = await this.mlflow('model-versions/create', source, by);
    const { model_version } = registered.body as unknown as { model_version: { version: string } };
    const version = Number(model_version.version);
    const query = `query($name: String!, $version: Int!) {
      registeredModel(name: $name) { version(version: $version) { manifestDigest } } }`;
    const { registeredModel } = await this.graphql<{
      registeredModel: { version: { manifestDigest: string } };
    }>(query, { name: modelName, version }, by);
    return { modelName, version, manifestDigest: registeredModel.version.manifestDigest, folder };
  }

  /** A command to a service, past the gateway, by somebody who can write to NATS and has the key of an issuer. */
  async command(context: string, type: string, data: object, forgery: Forgery = {}): Promise<CommandReply> {
    const { issuer = 'gateway', actor = { id: 'root', kind: 'person', roles: ['admin', 'operator'] } } = forgery;
    const { commandId = uuidv7(), assertedId = commandId, tamper = (text: string) => text } = forgery;
    const correlationId = uuidv7();
    const metadata = { commandId, workspace: 'default', now: new Date().toISOString(), correlationId };
    const text = JSON.stringify({ type, data, metadata });
    const key = await loadPrivateKey(this.#keysDir, issuer);
    const signed = { issuer, actor, workspace: 'default', commandId: assertedId, payload: Buffer.from(text) };
    const assertion = forgery.assertion ?? (await signAssertion(key, signed));
    const nats = await connectNats(this.natsUrl(), 'bypass');
    try {
      const payload = Buffer.from(tamper(text));
      return await sendCommand(nats, { context, type, payload, assertion, correlationId });
    } finally {
      await nats.close();
    }
  }

  /** The broker's address with its one user, as a process of the platform has it. */
  natsUrl(): string {
    const { port } = new URL(this.platform.natsUrl);
    const secret = readFileSync(join(this.platform.dataDir, 'nats', 'secret'), 'utf8').trim();
    return `nats://kontor:${secret}@127.0.0.1:${port}`;
  }

  get keysDir(): string {
    return this.#keysDir;
  }

  /** All events of some types, in order. */
  async events(...types: string[]): Promise<LoggedEvent[]> {
    const query = `query($after: LogPosition, $types: [String!]) { events(after: $after, first: 100, types: $types) {
      messages { ... on Event { position type actor data } } endPosition hasNextPage } }`;
    const found: LoggedEvent[] = [];
    for (let after = '0', more = true; more;) {
      const { events } = await this.graphql<{
        events: { messages: LoggedEvent[]; endPosition: string; hasNextPage: boolean };
      }>(query, { after, types });
      found.push(...events.messages);
      ({ endPosition: after, hasNextPage: more } = events);
    }
    return found;
  }

  /** The state of a rollout once it is one of those. */
  rollout(rolloutId: string, ...states: string[]) {
    const query = 'query($id: ID!) { rollout(rolloutId: $id) { state reasons } }';
    return eventually(async () => {
      const { rollout } = await this.graphql<{ rollout: { state: string; reasons: string[] } | null }>(query, {
        id: rolloutId,
      });
      return rollout !== null && states.includes(rollout.state) ? rollout : undefined;
    });
  }

  /** Versions with traffic on an endpoint, from the log's read model and from the data plane. */
  async serving(endpoint: string): Promise<{ readonly routed: number[]; readonly answers: number }> {
    const query = 'query($endpoint: String!) { endpoint(endpoint: $endpoint) { serving { version { version } } } }';
    const { endpoint: row } = await this.graphql<{
      endpoint: { serving: { version: { version: number } }[] } | null;
    }>(query, { endpoint });
    const ready = await fetch(`${this.platform.servingUrl}/v2/models/${endpoint}/ready`);
    return { routed: (row?.serving ?? []).map(({ version }) => version.version), answers: ready.status };
  }

  async #authorization(by: Visitor | undefined): Promise<Record<string, string>> {
    if (!by) return {};
    const name = `${by.id} ${by.roles.join()}`;
    const token = this.#tokens.get(name) ?? this.#sign(by);
    this.#tokens.set(name, token);
    return { authorization: `Bearer ${await token}` };
  }

  async #sign({ id, roles }: Visitor): Promise<string> {
    const key = await loadPrivateKey(this.#keysDir, TOKEN_ISSUER);
    const actor = { id, kind: 'person' as const, roles };
    return signToken(key, TOKEN_ISSUER, { actor, workspace: 'default', ttlMs: 3_600_000 }, Date.now());
  }
}
