import type { MlflowCase } from './mlflow-case.js';

/** What is refused before any field is looked at: methods, paths, content types, bodies, hosts, origins, workspaces. */

const IPV = 'INVALID_PARAMETER_VALUE';
type Method = NonNullable<MlflowCase['method']>;

/** A path that is served, by methods that it does not know. */
const wrongMethods = (path: string, allowed: string, ...methods: readonly Method[]): readonly MlflowCase[] =>
  methods.map((method) => ({
    method,
    path,
    ...(method !== 'GET' && { body: {} }),
    status: 405,
    code: 'ENDPOINT_NOT_FOUND',
    says: `${method} /api/2.0/${path} is not served by Kontor; this path knows ${allowed}`,
  }));

/** Paths that belong to other products, or to nobody. */
const NOT_SERVED: readonly (readonly [Method, string])[] = [
  ['POST', '/api/3.0/mlflow/gateway/endpoints/create'],
  ['GET', '/api/2.0/mlflow/gateway-proxy'],
  ['POST', '/ajax-api/2.0/mlflow/runs/create-promptlab-run'],
  ['GET', '/api/3.0/mlflow/jobs/1'],
  ['POST', '/api/3.0/mlflow/traces/metrics'],
  ['POST', '/api/2.0/mlflow/experiments/permissions/create'],
  ['GET', '/api/2.0/mlflow/experiments/list'],
  ['POST', '/api/1.0/mlflow/experiments/create'],
  ['POST', '/api/2.0/mlflow/experiments/create/more'],
  ['GET', '/api/2.0/mlflow'],
  ['POST', '/api/2.0/MLFLOW/experiments/create'],
  ['POST', '/api/2.0/preview/mlflow/nothing'],
  ['GET', '/ajax-api/2.0/nothing'],
];

const CREATE = { path: 'mlflow/experiments/create', body: { name: 'never' } } as const;
const wrongType = (contentType: string): MlflowCase => ({
  ...CREATE,
  contentType,
  status: 400,
  code: IPV,
  says: "Bad Request. Content-Type must be one of ['application/json'].",
});
const empty = (body: string): MlflowCase => ({
  ...CREATE,
  body,
  status: 400,
  code: IPV,
  says: "Missing value for required parameter 'name'. See the API docs",
});
const foreign = (headers: Readonly<Record<string, string>>, says: string): MlflowCase => ({
  ...CREATE,
  headers,
  status: 403,
  code: 'PERMISSION_DENIED',
  says,
});
const elsewhere = (workspace: string, status: number, code: string, says: string): MlflowCase => ({
  ...CREATE,
  headers: { 'x-mlflow-workspace': workspace },
  status,
  code,
  says,
});

/** Each is a path of an artifact that tries to leave its place. */
const PATH_TRICKS = [
  '../x',
  'a/../../x',
  '..%2f..%2fx',
  '%2e%2e/x',
  '%252e%252e%252fx',
  '%25252e%25252e/x',
  '..%5c..%5cx',
  '%2fetc%2fpasswd',
  '/etc/passwd',
  '%5c%5chost%5cshare',
  'C:%5cwindows',
  'c:/windows',
  'file:%2f%2f%2fetc%2fpasswd',
  'https:%2f%2fevil.example%2fx',
  'a%00b',
  'a%0d%0aSet-Cookie:x',
  'a%23b',
];

export const transportCases: readonly MlflowCase[] = [
  ...wrongMethods('mlflow/experiments/create', 'POST', 'GET', 'PUT', 'PATCH', 'DELETE'),
  ...wrongMethods('mlflow/experiments/get', 'GET', 'POST', 'DELETE'),
  ...wrongMethods('mlflow/runs/update', 'POST', 'PATCH'),
  ...wrongMethods('mlflow/registered-models/update', 'PATCH', 'POST', 'GET'),
  ...wrongMethods('mlflow/registered-models/delete', 'DELETE', 'POST', 'GET'),
  ...wrongMethods('mlflow/model-versions/search', 'GET', 'POST'),
  ...NOT_SERVED.map(([method, path]): MlflowCase => ({
    method,
    path,
    ...(method !== 'GET' && { body: {} }),
    status: 404,
    code: 'ENDPOINT_NOT_FOUND',
    says: `${method} ${path} is not served by Kontor.`,
  })),
  ...['mlflow/%zz', 'mlflow/logged-models/%E0%A4%A', 'mlflow-artifacts/artifacts/%c0%ae'].map((path): MlflowCase => ({
    method: 'GET',
    path,
    status: 400,
    code: IPV,
    says: 'is not a valid url component',
  })),
  ...['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'text/json', ''].map(wrongType),
  {
    ...CREATE,
    contentType: null,
    status: 400,
    code: IPV,
    says: 'Bad Request. Content-Type header is missing.',
  },
  ...['', 'null', '{}', '{"name":', "{'name': 'never'}", '"{}"', '"text"', '{"Name":"never"}'].map(empty),
  ...['5', 'true', '[{"name":"never"}]', '"[1]"'].map((body): MlflowCase => ({
    ...CREATE,
    body,
    status: 400,
    code: IPV,
    says: 'The request body must be a JSON object, got ',
  })),
  { ...CREATE, body: '{"name":"\\ud800"}', status: 400, code: IPV, says: 'it holds half of a character beyond U+FFFF' },
  {
    path: 'mlflow/experiments/search',
    body: { max_results: 5, maxResults: 5 },
    status: 400,
    code: IPV,
    says: "Request specifies both 'max_results' and 'maxResults'; provide only one of them.",
  },
  {
    method: 'GET',
    path: 'mlflow/logged-models/$loggedModel?allow_deleted=maybe',
    status: 400,
    code: IPV,
    says: "Invalid boolean value: maybe, must be 'true' or 'false'.",
  },
  foreign({ host: 'evil.example' }, 'Host: this door is not known under that name'),
  foreign({ host: '0.0.0.0:4000' }, 'Host: this door is not known under that name'),
  foreign({ host: 'localhost.evil.example' }, 'Host: this door is not known under that name'),
  foreign({ origin: 'https://evil.example' }, 'Origin: pages of other sites may not call this door'),
  foreign({ origin: 'null' }, 'Origin: pages of other sites may not call this door'),
  foreign({ origin: 'http://localhost.evil.example' }, 'Origin: pages of other sites may not call this door'),
  elsewhere('nowhere', 404, 'RESOURCE_DOES_NOT_EXIST', "Workspace 'nowhere' not found"),
  elsewhere('No!', 400, IPV, "Workspace name 'No!' must match the pattern"),
  elsewhere('x', 400, IPV, "Workspace name 'x' must be between 2 and 63 characters."),
  elsewhere('../default', 400, IPV, "Workspace name '../default' must match the pattern"),
  ...PATH_TRICKS.flatMap((path) =>
    (['GET', 'PUT', 'DELETE'] as const).map((method): MlflowCase => ({
      method,
      path: `mlflow-artifacts/artifacts/${path}`,
      ...(method === 'PUT' && { body: 'bytes', contentType: 'application/octet-stream' }),
      status: 400,
      code: IPV,
      says: 'Invalid path',
    })),
  ),
];
