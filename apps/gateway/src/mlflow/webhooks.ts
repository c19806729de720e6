import { setTimeout as delay } from 'node:timers/promises';
import { WEBHOOK_EVENTS, type WebhookEvent } from '@kontor/domain/registry';
import { checkOutgoing, OutgoingRefused, type OutgoingRules } from '@kontor/service/process';
import { webhookEntity } from '../registry/registry.entities.js';
import type { WebhookRow } from '../registry/webhooks.projection.js';
import type { MlflowCall } from './call.js';
import { inMlflowsWords } from './outcomes.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, missing, MlflowError } from './errors.js';
import { int64, knownOf, message, oneOf, repeated, required, string } from './message.js';
import { atMost, DESCRIPTION_LIMIT, toMs } from './names.js';
import { writePageToken } from './page-token.js';

// In the order of their numbers. @source MLflow 3.18, `mlflow/protos/webhooks.proto`
const ENTITIES = [
  'REGISTERED_MODEL',
  'MODEL_VERSION',
  'MODEL_VERSION_TAG',
  'MODEL_VERSION_ALIAS',
  'PROMPT',
  'PROMPT_VERSION',
  'PROMPT_TAG',
  'PROMPT_VERSION_TAG',
  'PROMPT_ALIAS',
  'BUDGET_POLICY',
] as const;
const ACTIONS = ['CREATED', 'UPDATED', 'DELETED', 'SET', 'EXCEEDED'] as const;

const event = message({ entity: required(knownOf(...ENTITIES)), action: required(knownOf(...ACTIONS)) });

const DEFAULT_PAGE = 100n;
const MAX_PAGE = 1000n;
/** Longer than any key of HMAC-SHA-256 is worth. */
const SECRET_LIMIT = 4096;
/** A call of a webhook ends after 30 s; the rest is for what waits before it and after it. */
const TEST_DEADLINE_MS = 40_000;
const TEST_POLL_MS = 50;

const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/i;

const checkedName = (name: string): string => {
  if (NAME.test(name)) return name;
  throw invalid(
    `Webhook name '${name}' is invalid. It must start and end with a letter or digit, be less than 63 characters long, ` +
      'and contain only letters, digits, dots (.), underscores (_), and hyphens (-).',
  );
};

/** Why a URL is refused, in MLflow's words where it has some. */
const refusal = (url: string, { problem }: OutgoingRefused): string => {
  switch (problem.kind) {
    case 'scheme':
      return `Invalid webhook URL scheme: '${problem.scheme}'. Allowed schemes are: ${problem.allowed.join(', ')}.`;
    case 'syntax':
      return `Invalid webhook URL '${url}': ${/^\w+:\/\/[^/?#]*[[\]]/.test(url) ? "ValueError('Invalid IPv6 URL')" : 'expected https://<host>[:<port>], with a port up to 65535.'}`;
    case 'host':
      return `Webhook URL must include a hostname: '${url}'`;
    case 'credentials':
      return 'Webhook URL must not contain a user name or a password: set a secret, by which the receiver knows who calls.';
    case 'unresolved':
      return `Cannot resolve webhook URL hostname '${problem.host}': ${problem.reason}`;
    case 'address':
      return `Webhook URL must not resolve to a non-public IP address. '${problem.host}' resolves to ${problem.address}.`;
  }
};

const checkedUrl = async (url: string, rules: OutgoingRules): Promise<string> => {
  if (url.trim() === '') throw invalid(`Webhook URL cannot be empty or just whitespace: '${url}'`);
  atMost(2048, 'url', url);
  try {
    await checkOutgoing(url, rules);
    return url;
  } catch (error) {
    throw error instanceof OutgoingRefused ? invalid(refusal(url, error)) : error;
  }
};

interface EventMessage {
  readonly entity: string;
  readonly action: string;
}

const toWebhookEvent = ({ entity, action }: EventMessage): WebhookEvent => {
  const [subject, verb] = [entity.toLowerCase(), action.toLowerCase()];
  const known = WEBHOOK_EVENTS.find((name) => name === `${subject}.${verb}`);
  if (known) return known;
  const actions = WEBHOOK_EVENTS.flatMap((name) => (name.startsWith(`${subject}.`) ? [name.split('.')[1] ?? ''] : []));
  const valid = actions.sort().map((name) => `'${name}'`);
  throw invalid(`Invalid action '${verb}' for entity '${subject}'. Valid actions are: [${valid.join(', ')}]`);
};

const toWebhookEvents = (events: readonly EventMessage[]): readonly WebhookEvent[] => [
  ...new Set(events.map(toWebhookEvent)),
];

/** The secret is in no answer, and neither is its version. */
const webhookJson = ({
  webhookId,
  name,
  description,
  url,
  events,
  status,
  createdAt,
  updatedAt,
}: WebhookRow): object => ({
  webhook_id: webhookId,
  name,
  ...(description !== '' && { description }),
  url,
  events: events.map((known) => {
    const [entity = '', action = ''] = known.toUpperCase().split('.');
    return { entity, action };
  }),
  status,
  creation_timestamp: toMs(createdAt),
  last_updated_timestamp: toMs(updatedAt),
});

const noWebhook = (webhookId: string) => missing(`Webhook with ID ${webhookId} not found.`);

/** @throws MlflowError for one that does not exist or is deleted. */
const webhookById = async (call: MlflowCall, webhookId: string): Promise<WebhookRow> => {
  const row = await (await call.rows()).byId(webhookEntity, webhookId);
  if (!row || row.deleted) throw noWebhook(webhookId);
  return row;
};

/** Stored before the command, which names its version. */
const storedSecret = (call: MlflowCall, webhookId: string, secret: string): Promise<number> =>
  call.parts.secrets.put(call.workspace, `webhook/${webhookId}`, atMost(SECRET_LIMIT, 'secret', secret));

const list = async (
  { max_results = 0n, page_token }: { max_results: bigint | undefined; page_token: string | undefined },
  call: MlflowCall,
): Promise<object> => {
  const limit = max_results === 0n ? DEFAULT_PAGE : max_results;
  if (limit < 1n || limit > MAX_PAGE) throw invalid(`max_results must be between 1 and ${MAX_PAGE}.`);
  const listing = ['webhooks', call.workspace];
  const token = call.readPageToken(listing, page_token);
  const rows = token ? call.rowsAt(token.position) : await call.rows();
  const [size, offset] = [Number(limit), token?.offset ?? 0];
  const conditions = rows.conditions().add('NOT deleted');
  const orderBy = '"createdAt" DESC, key DESC';
  const found = await rows.list(webhookEntity, conditions, { orderBy, limit: size + 1, offset });
  return {
    ...(found.length > 0 && { webhooks: found.slice(0, size).map(webhookJson) }),
    ...(found.length > size && {
      next_page_token: writePageToken(listing, { position: rows.position, offset: offset + size }),
    }),
  };
};

/** Sends an example through the queue of the registry service, and waits for the outcome. A target that fails is an answer. */
const test = async (webhookId: string, asked: EventMessage | undefined, call: MlflowCall): Promise<object> => {
  const { events } = await webhookById(call, webhookId);
  const deliveryId = await call.ask('TestWebhook', { webhookId, event: asked ? toWebhookEvent(asked) : events[0] });
  const deadlineMs = performance.now() + TEST_DEADLINE_MS;
  while (performance.now() < deadlineMs) {
    const delivery = await call.parts.deliveries.byId(call.workspace, deliveryId);
    if (delivery?.state === 'DROPPED') throw noWebhook(webhookId);
    if (delivery && delivery.state !== 'WAITING') {
      const { responseStatus: status, responseBody: body, error } = delivery;
      return {
        result: {
          success: status !== null && status < 400,
          ...(status !== null && { response_status: status }),
          ...(body !== null && { response_body: body }),
          ...(error !== null && { error_message: `Failed to test webhook: ${error}` }),
        },
      };
    }
    await delay(TEST_POLL_MS);
  }
  throw new MlflowError('TEMPORARILY_UNAVAILABLE', 'The webhook was not called in time; try again.', {
    retryAfterSeconds: 1,
  });
};

const settings = { description: string, secret: string, status: oneOf('ACTIVE', 'DISABLED') } as const;
const webhookId = { webhook_id: required(string) } as const;

/** @source MLflow 3.18.0, mlflow/server/handlers.py, mlflow/utils/validation.py and mlflow/entities/webhook.py for the texts. */
export const webhookEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/webhooks',
    creates: true,
    fields: { name: required(string), url: required(string), events: required(repeated(event)), ...settings },
    handle: async ({ name, url, events, description = '', secret, status = 'ACTIVE' }, call) => {
      const subscribed = toWebhookEvents(events);
      checkedName(name);
      await checkedUrl(url, call.parts.webhooks);
      if (subscribed.length === 0)
        throw invalid('Webhook events must be a non-empty list of WebhookEvent objects: [].');
      const id = call.commandId;
      const created = call.begin(webhookEntity, 'CreateWebhook', {
        ...{ webhookId: id, name, url, events: subscribed, status },
        description: atMost(DESCRIPTION_LIMIT, 'description', description),
        secretVersion: secret ? await storedSecret(call, id, secret) : null,
      });
      return { webhook: webhookJson(await inMlflowsWords(created)) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/webhooks',
    fields: { max_results: int64, page_token: string },
    handle: list,
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/webhooks/{webhook_id}',
    fields: webhookId,
    handle: async ({ webhook_id }, call) => ({ webhook: webhookJson(await webhookById(call, webhook_id)) }),
  }),
  endpoint({
    method: 'PATCH',
    path: '/mlflow/webhooks/{webhook_id}',
    fields: { ...webhookId, name: string, url: string, events: repeated(event), ...settings },
    handle: async ({ webhook_id, name, url, events, description, secret, status }, call) => {
      await webhookById(call, webhook_id);
      const subscribed = toWebhookEvents(events);
      // What is empty counts as absent.
      const changes = {
        ...(name && { name: checkedName(name) }),
        ...(url && { url: await checkedUrl(url, call.parts.webhooks) }),
        ...(subscribed.length > 0 && { events: subscribed }),
        ...(description && { description: atMost(DESCRIPTION_LIMIT, 'description', description) }),
        ...(status && { status }),
      };
      const secretVersion = secret ? { secretVersion: await storedSecret(call, webhook_id, secret) } : {};
      await call.send('ChangeWebhook', { webhookId: webhook_id, ...changes, ...secretVersion });
      return { webhook: webhookJson(await webhookById(call, webhook_id)) };
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/webhooks/{webhook_id}',
    fields: webhookId,
    handle: async ({ webhook_id }, call) => {
      await webhookById(call, webhook_id);
      await call.send('DeleteWebhook', { webhookId: webhook_id });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/webhooks/{webhook_id}/test',
    fields: { ...webhookId, event },
    handle: ({ webhook_id, event: asked }, call) => test(webhook_id, asked, call),
  }),
];
