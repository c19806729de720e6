import type { MlflowCase } from './mlflow-case.js';

const CREATED = { entity: 'MODEL_VERSION', action: 'CREATED' };
const GOOD = { name: 'w', url: 'https://93.184.216.34/hook', events: [CREATED] };

const create = (body: object, says: string): MlflowCase => ({
  path: 'mlflow/webhooks',
  body: { ...GOOD, ...body },
  status: 400,
  code: 'INVALID_PARAMETER_VALUE',
  says,
});
const change = (body: object, says: string): MlflowCase => ({
  ...create({}, says),
  method: 'PATCH',
  path: 'mlflow/webhooks/$webhook',
  body,
});
const list = (query: string, says: string): MlflowCase => ({
  method: 'GET',
  path: `mlflow/webhooks?${query}`,
  status: 400,
  code: 'INVALID_PARAMETER_VALUE',
  says,
});
const unknown = (method: 'GET' | 'PATCH' | 'DELETE' | 'POST', id: string): MlflowCase => ({
  method,
  path: `mlflow/webhooks/${id}${method === 'POST' ? '/test' : ''}`,
  ...(method !== 'GET' && { body: {} }),
  status: 404,
  code: 'RESOURCE_DOES_NOT_EXIST',
  says: `Webhook with ID ${decodeURIComponent(id)} not found.`,
});
const nonPublic = (host: string, address: string): string =>
  `Webhook URL must not resolve to a non-public IP address. '${host}' resolves to ${address}.`;

/** Webhooks that nobody may make, by what is wrong with them. */
export const webhookCases: readonly MlflowCase[] = [
  ...['name', 'url', 'events'].map((field) =>
    create({ [field]: undefined }, `Missing value for required parameter '${field}'`),
  ),
  create({ name: '' }, "Missing value for required parameter 'name'"),
  create({ name: 5 }, "Invalid value 5 for parameter 'name' supplied"),
  ...['w!', '-w', 'w-', '.w', 'a b', 'ä', 'w'.repeat(64), 'w\n'].map((name) =>
    create(
      { name },
      `Webhook name '${name}' is invalid. It must start and end with a letter or digit, be less than 63`,
    ),
  ),

  ...['ftp://93.184.216.34/', 'http://93.184.216.34/', 'file:///etc/passwd', 'gopher://93.184.216.34/'].map((url) =>
    create({ url }, `Invalid webhook URL scheme: '${url.split(':')[0]}'. Allowed schemes are: https.`),
  ),
  create({ url: ' ' }, "Webhook URL cannot be empty or just whitespace: ' '"),
  create({ url: 'bank.example/hook' }, "Invalid webhook URL scheme: ''. Allowed schemes are: https."),
  create({ url: 'https://' }, "Webhook URL must include a hostname: 'https://'"),
  create({ url: 'https:93.184.216.34' }, "Webhook URL must include a hostname: 'https:93.184.216.34'"),
  ...['http://[invalid', 'https://[::1', 'https://[zz]/'].map((url) =>
    create({ url }, `Invalid webhook URL '${url}': ValueError('Invalid IPv6 URL')`),
  ),
  create(
    { url: 'https://bank.example:99999/' },
    "Invalid webhook URL 'https://bank.example:99999/': expected https://<host>[:<port>]",
  ),
  create({ url: 'https://ada:secret@93.184.216.34/' }, 'must not contain a user name or a password'),
  create({ url: `https://93.184.216.34/${'x'.repeat(2048)}` }, "'url' exceeds the maximum length of 2048 characters"),
  create({ url: 'https://nowhere.invalid/' }, "Cannot resolve webhook URL hostname 'nowhere.invalid'"),
  create(
    { url: 'https://localhost/' },
    "Webhook URL must not resolve to a non-public IP address. 'localhost' resolves",
  ),
  ...['127.0.0.1', '10.1.2.3', '192.168.0.1', '172.16.0.1', '169.254.169.254', '100.64.0.1', '0.0.0.0'].map((host) =>
    create({ url: `https://${host}/` }, nonPublic(host, host)),
  ),
  create({ url: 'https://2130706433/' }, nonPublic('127.0.0.1', '127.0.0.1')),
  create({ url: 'https://0x7f.1/' }, nonPublic('127.0.0.1', '127.0.0.1')),
  create({ url: 'https://[::1]/' }, nonPublic('::1', '::1')),
  create({ url: 'https://[::ffff:127.0.0.1]/' }, nonPublic('::ffff:7f00:1', '::ffff:7f00:1')),
  create({ url: 'https://[64:ff9b::10.0.0.1]/' }, nonPublic('64:ff9b::a00:1', '64:ff9b::a00:1')),
  create({ url: 'https://[2002:7f00:1::]/' }, nonPublic('2002:7f00:1::', '2002:7f00:1::')),
  create({ url: 'https://[fd00::1]/' }, nonPublic('fd00::1', 'fd00::1')),

  create({ events: [] }, 'Webhook events must be a non-empty list of WebhookEvent objects: [].'),
  create({ events: 'all' }, 'Invalid value "all" for parameter \'events\' supplied'),
  create({ events: ['model_version.created'] }, "for parameter 'events[0]' supplied"),
  create({ events: [{ action: 'CREATED' }] }, "Missing value for required parameter 'events[0].entity'"),
  create({ events: [{ entity: 'PROMPT' }] }, "Missing value for required parameter 'events[0].action'"),
  create(
    { events: [CREATED, { entity: 'RUN', action: 'CREATED' }] },
    'Invalid value "RUN" for parameter \'events[1].entity\' supplied: must be one of REGISTERED_MODEL, MODEL_VERSION,',
  ),
  create(
    { events: [{ entity: 'model_version', action: 'CREATED' }] },
    'Invalid value "model_version" for parameter \'events[0].entity\' supplied: must be one of',
  ),
  create(
    { events: [{ entity: 'PROMPT', action: 'RENAMED' }] },
    'Invalid value "RENAMED" for parameter \'events[0].action\' supplied: must be one of CREATED, UPDATED, DELETED, SET,',
  ),
  create(
    { events: [{ entity: 11, action: 'CREATED' }] },
    "Invalid value 11 for parameter 'events[0].entity' supplied: must be one of",
  ),
  create(
    { events: [{ entity: 'REGISTERED_MODEL', action: 'DELETED' }] },
    "Invalid action 'deleted' for entity 'registered_model'. Valid actions are: ['created']",
  ),
  create(
    { events: [{ entity: 'PROMPT_TAG', action: 'UPDATED' }] },
    "Invalid action 'updated' for entity 'prompt_tag'. Valid actions are: ['deleted', 'set']",
  ),
  create({ description: 'x'.repeat(100_001) }, "'description' exceeds the maximum length of 100000 characters"),
  create({ description: 1 }, "Invalid value 1 for parameter 'description' supplied"),
  create({ secret: 'x'.repeat(4097) }, "'secret' exceeds the maximum length of 4096 characters"),
  create({ secret: 'a\0b' }, "parameter 'secret' supplied: it holds the character U+0000"),
  { ...create({}, "Content-Type must be one of ['application/json']"), contentType: 'text/plain' },

  ...(['GET', 'PATCH', 'DELETE', 'POST'] as const).flatMap((method) =>
    ['nope', '00000000-0000-4000-8000-000000000000', '..%2f..'].map((id) => unknown(method, id)),
  ),
  change({ name: 'w!' }, "Webhook name 'w!' is invalid."),
  change({ url: 'http://93.184.216.34/' }, "Invalid webhook URL scheme: 'http'. Allowed schemes are: https."),
  change({ url: 'https://10.0.0.1/' }, nonPublic('10.0.0.1', '10.0.0.1')),
  change({ events: [{ entity: 'MODEL_VERSION', action: 'SET' }] }, "Invalid action 'set' for entity 'model_version'."),
  change({ secret: 5 }, "Invalid value 5 for parameter 'secret' supplied"),
  {
    ...create({}, "Invalid action 'set' for entity 'prompt'. Valid actions are: ['created']"),
    path: 'mlflow/webhooks/$webhook/test',
    body: { event: { entity: 'PROMPT', action: 'SET' } },
  },

  ...['-1', '1001', '99999999999'].map((limit) =>
    list(`max_results=${limit}`, 'max_results must be between 1 and 1000.'),
  ),
  list('max_results=ten', 'Invalid value "ten" for parameter \'max_results\' supplied'),
  list('page_token=a', 'Invalid page token, could not base64-decode'),
  list('page_token=e30%3D', 'Invalid page token, parsed value={}'),
];
