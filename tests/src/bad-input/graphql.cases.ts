/** One GraphQL request that must be refused. */
export interface GraphqlCase {
  readonly what: string;
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
  /** `extensions.code` of the first error, or the `code` or `rejection` of the problem that a mutation answers with. */
  readonly code: string;
  readonly says: string;
}

/** A mutation whose answer is a problem: HTTP 200, data instead of errors. */
const problem = (what: string, mutation: string, input: object, code: string, says: string): GraphqlCase => ({
  what,
  query: `mutation M($input: ${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input!) {
    result: ${mutation}(input: $input) {
      __typename
      ... on Problem { code message path }
      ... on Rejection { rejection details }
    }
  }`,
  variables: { input },
  status: 200,
  code,
  says,
});
const refused = (what: string, query: string, status: number, code: string, says: string): GraphqlCase => ({
  what,
  query,
  status,
  code,
  says,
});
/** A variable that the schema refuses. */
const wrongVariable = (what: string, mutation: string, input: object, says: string): GraphqlCase => ({
  ...problem(what, mutation, input, 'BAD_USER_INPUT', says),
  status: 400,
});

const nested = (depth: number): string => (depth === 0 ? '__typename' : `at(position: "1") { ${nested(depth - 1)} }`);

export const graphqlCases: readonly GraphqlCase[] = [
  refused('no operation', '', 400, 'BAD_REQUEST', 'query'),
  refused('half an operation', '{ log {', 400, 'GRAPHQL_PARSE_FAILED', 'Syntax Error'),
  refused('an unknown field', '{ nope }', 400, 'GRAPHQL_VALIDATION_FAILED', 'nope'),
  refused('a missing argument', '{ endpoint { endpoint } }', 400, 'GRAPHQL_VALIDATION_FAILED', 'endpoint'),
  refused(
    'an argument of another type',
    '{ modelVersion(modelName: "rules", version: "one") { version } }',
    400,
    'GRAPHQL_VALIDATION_FAILED',
    'Int cannot represent',
  ),
  refused('too deep', `{ ${nested(12)} }`, 400, 'DOCUMENT_LIMIT', 'depth; allowed are 10'),
  refused(
    'too many aliases',
    `{ ${Array.from({ length: 16 }, (_, i) => `a${i}: position`).join(' ')} }`,
    400,
    'DOCUMENT_LIMIT',
    'aliases; allowed are 15',
  ),
  refused('too many tokens', `{ ${'position '.repeat(2001)} }`, 400, 'GRAPHQL_PARSE_FAILED', 'token'),
  refused('a page that is too large', '{ experiments(first: 101) { nodes { name } } }', 200, 'BAD_USER_INPUT', 'first'),
  refused('a page of none', '{ experiments(first: -1) { nodes { name } } }', 200, 'BAD_USER_INPUT', 'first'),
  refused(
    'a cursor of nobody',
    '{ experiments(first: 1, after: "abc") { nodes { name } } }',
    200,
    'CURSOR_INVALID',
    'after',
  ),
  refused(
    'a position that is none',
    '{ at(position: "x") { position } }',
    400,
    'GRAPHQL_VALIDATION_FAILED',
    'LogPosition',
  ),
  refused(
    'a position in the future',
    '{ at(position: "99999999") { position } }',
    200,
    'POSITION_IN_FUTURE',
    '99999999',
  ),
  refused('a time in the future', '{ at(time: "2999-01-01T00:00:00Z") { position } }', 200, 'TIME_IN_FUTURE', '2999'),
  refused(
    'both a position and a time',
    '{ at(position: "1", time: "2026-01-01T00:00:00Z") { position } }',
    200,
    'BAD_USER_INPUT',
    'position',
  ),
  refused('neither a position nor a time', '{ at { position } }', 200, 'BAD_USER_INPUT', 'position'),
  refused(
    'a past within a past',
    '{ at(position: "1") { at(position: "1") { position } } }',
    400,
    'DOCUMENT_LIMIT',
    'at',
  ),
  refused(
    'a day that no calendar has',
    '{ at(time: "2026-02-30T00:00:00Z") { position } }',
    400,
    'GRAPHQL_VALIDATION_FAILED',
    'RFC 3339',
  ),
  refused('the lateness of the past', '{ at(position: "1") { freshness { lagMs } } }', 200, 'BAD_USER_INPUT', 'now'),
  refused('a subscription over HTTP', 'subscription { events { __typename } }', 400, 'BAD_USER_INPUT', 'WebSocket'),
  refused(
    'a cost above the limit through the default of a variable',
    'query ($n: Int = 100) { endpoints(first: $n) { nodes { rollouts(first: $n) { nodes { state } } } } }',
    400,
    'COST_LIMIT',
    'allowed are 5000',
  ),
  {
    ...refused('U+0000', 'query ($x: String!) { registeredModel(name: $x) { name } }', 400, 'BAD_USER_INPUT', '$x'),
    variables: { x: 'a\0' },
  },
  {
    ...refused(
      'too many ids',
      'query ($x: [ID!]!) { nodes(ids: $x) { id } }',
      200,
      'BAD_USER_INPUT',
      'allowed are 100',
    ),
    variables: { x: Array.from({ length: 101 }, (_, n) => `id-${n}`) },
  },
  {
    ...refused('a consistency token of nobody', '{ position }', 400, 'CONSISTENCY_TOKEN_INVALID', 'Kontor-Consistency'),
    headers: { 'kontor-consistency': 'x' },
  },
  {
    ...refused('a wait that is too long', '{ position }', 400, 'BAD_USER_INPUT', 'Kontor-Wait-Ms: 6000'),
    headers: { 'kontor-wait-ms': '6000' },
  },
  {
    ...refused('a token that nobody signed', '{ position }', 401, 'UNAUTHENTICATED', 'token'),
    headers: { authorization: 'Bearer abc' },
  },
  {
    ...refused('a host of somebody else', '{ position }', 403, 'PERMISSION_DENIED', 'Origin'),
    headers: { origin: 'https://evil.example' },
  },
  wrongVariable('an alias without a version', 'setAlias', { modelName: 'rules', alias: 'a' }, 'version'),
  wrongVariable(
    'an unknown field of an input',
    'setAlias',
    { modelName: 'rules', alias: 'a', version: 1, force: true },
    'force',
  ),
  wrongVariable('a version that is a text', 'setAlias', { modelName: 'rules', alias: 'a', version: '1' }, 'version'),
  wrongVariable('a stage that is none', 'changeStage', { modelName: 'rules', version: 1, stage: 'LIVE' }, 'stage'),
  wrongVariable(
    'an environment that is none',
    'createEndpoint',
    { endpoint: 'x', environment: 'moon', description: '' },
    'environment',
  ),
  wrongVariable(
    'an environment in small letters',
    'createEndpoint',
    { endpoint: 'x', environment: 'production', description: '' },
    'does not exist in',
  ),
  problem(
    'an alias that is reserved',
    'setAlias',
    { modelName: 'rules', alias: 'latest', version: 1 },
    'ALIAS_RESERVED',
    'latest',
  ),
  problem('an alias with a blank', 'setAlias', { modelName: 'rules', alias: 'a b', version: 1 }, 'INVALID', 'alias'),
  problem('a protection of no model', 'protectAlias', { modelName: 'nope', alias: 'a' }, 'INVALID', 'nope'),
  problem('a reserved alias', 'protectAlias', { modelName: 'rules', alias: 'latest' }, 'ALIAS_RESERVED', 'latest'),
  problem('an end of protection of no model', 'unprotectAlias', { modelName: 'nope', alias: 'a' }, 'INVALID', 'nope'),
  problem(
    'an alias for no reason',
    'setAlias',
    { modelName: 'rules', alias: 'a', version: 1, reason: ' ' },
    'INVALID',
    'why',
  ),
  problem('a position behind the log', 'undo', { position: '999999999' }, 'INVALID', 'at 999999999 is no event'),
  problem('position 0', 'undo', { position: '0' }, 'INVALID', 'at 0 is no event'),
  wrongVariable('a position that is none', 'undo', { position: 'last' }, 'position'),
  problem('an alias of no version', 'setAlias', { modelName: 'rules', alias: 'a', version: 9 }, 'VERSION_UNKNOWN', '9'),
  problem(
    'an alias of no model',
    'setAlias',
    { modelName: 'nope', alias: 'a', version: 1 },
    'INVALID',
    'modelName: there is no registered model',
  ),
  problem(
    'an endpoint in capitals',
    'createEndpoint',
    { endpoint: 'Upper', environment: 'PRODUCTION', description: '' },
    'INVALID',
    'endpoint',
  ),
  problem(
    'an endpoint that exists',
    'createEndpoint',
    { endpoint: '$endpoint', environment: 'PRODUCTION', description: '' },
    'ENDPOINT_EXISTS',
    '$endpoint',
  ),
  problem(
    'a description without end',
    'createEndpoint',
    { endpoint: 'long', environment: 'PRODUCTION', description: 'x'.repeat(5001) },
    'INVALID',
    'description',
  ),
  problem(
    'a command id that is none',
    'createEndpoint',
    { clientMutationId: 'abc', endpoint: 'x', environment: 'PRODUCTION', description: '' },
    'INVALID',
    'clientMutationId',
  ),
  problem(
    'a rule with a blank in its id',
    'activatePolicy',
    {
      policyId: 'p',
      environment: 'PRODUCTION',
      tiers: ['LOW'],
      rules: [{ ruleId: 'G 01', title: 't', measure: 'm', requires: [], when: 'true', advice: 'a' }],
    },
    'INVALID',
    'rules.0.ruleId',
  ),
  problem(
    'a message to a webhook that was never sent',
    'redeliverWebhook',
    { webhookId: '$webhook', deliveryId: '00000000-0000-7000-8000-000000000000' },
    'INVALID',
    'the webhook has no delivery',
  ),
  problem(
    'a message to a webhook that is none',
    'redeliverWebhook',
    { webhookId: 'nope', deliveryId: 'nope' },
    'INVALID',
    'deliveryId',
  ),
  problem('a suspension of nothing', 'suspendEndpoint', { endpoint: 'nope', reason: 'x' }, 'ENDPOINT_UNKNOWN', 'nope'),
  problem(
    'the erasure of a person of whom nothing is stored',
    'eraseSubject',
    { subjectId: 'nobody', ground: 'OBJECTION' },
    'SUBJECT_UNKNOWN',
    'No personal data of this person was ever stored here.',
  ),
  wrongVariable(
    'an erasure without a lawful ground',
    'eraseSubject',
    { subjectId: 'ada', ground: 'WHY_NOT' },
    'ErasureGround',
  ),
  problem(
    'a text that looks like an encrypted one',
    'suspendUseCase',
    { useCaseId: 'any', reason: '{"$enc":{"k":"ada/1"}}' },
    'INVALID',
    'must not begin as an encrypted text does',
  ),
];
