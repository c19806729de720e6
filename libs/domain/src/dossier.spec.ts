import { describe, expect, it } from 'vitest';
import { type DossierOf, Dossiers } from './dossier.js';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const version = (modelName: string, letter: string) => ({ modelName, version: 1, manifestDigest: digest(letter) });

/** Two models on one endpoint, a third elsewhere. Streams are written as `<aggregate>/<id>`. */
const log: readonly (readonly [string, unknown])[] = [
  ['run/r1', { runId: 'r1', experimentId: '1' }],
  ['run/r2', { runId: 'r2', experimentId: '1' }],
  ['run/r3', { runId: 'r3', experimentId: '1' }],
  ['logged-model/m-1', { loggedModelId: 'm-1', sourceRunId: 'r2' }],
  ['registered-model/credit-id', { modelId: 'credit-id', name: 'score' }],
  ['registered-model/credit-id', { modelId: 'credit-id', name: 'credit', previousName: 'score' }],
  [
    'registered-model/credit-id',
    {
      modelId: 'credit-id',
      name: 'credit',
      version: 1,
      runId: 'r1',
      loggedModelId: 'm-1',
      artifacts: { manifestDigest: digest('a') },
    },
  ],
  ['model-version/credit-id-1', { target: { aggregate: 'model-version', modelId: 'credit-id', version: 1 } }],
  [
    'registered-model/rules-id',
    { modelId: 'rules-id', name: 'rules', version: 1, runId: null, artifacts: { manifestDigest: digest('b') } },
  ],
  [
    'registered-model/other-id',
    { modelId: 'other-id', name: 'other', version: 1, runId: 'r3', artifacts: { manifestDigest: digest('c') } },
  ],
  ['endpoint/decide', { endpoint: 'decide', version: version('credit', 'a') }],
  ['endpoint/decide', { endpoint: 'decide', version: version('rules', 'b') }],
  ['endpoint/elsewhere', { endpoint: 'elsewhere', version: version('other', 'c') }],
  ['subject/a', { subject: version('credit', 'a'), policy: { policyId: 'high' } }],
  ['subject/b', { subject: version('rules', 'b'), policy: null }],
  ['policy/high', { policyId: 'high' }],
  ['policy/low', { policyId: 'low' }],
  ['evaluation/e1', { evaluationId: 'e1', endpoint: 'decide-staging', version: version('credit', 'a') }],
  ['baseline/b1', { baselineId: 'b1', endpoint: 'decide', version: version('credit', 'a') }],
  ['monitor/m1', { monitorId: 'm1', endpoint: 'decide', baselineId: 'b1', dataSourceIds: ['census'] }],
  ['monitor/m2', { monitorId: 'm2', endpoint: 'elsewhere', baselineId: 'b2', dataSourceIds: [] }],
  ['data-source/census', { dataSourceId: 'census' }],
  ['ground-truth/g1', { endpoint: 'decide' }],
  ['use-case/loans', { useCaseId: 'loans', endpoints: ['decide'], modelNames: [] }],
  ['incident/i1', { incidentId: 'i1', useCaseId: 'loans', endpoint: 'decide' }],
  ['incident/i2', { incidentId: 'i2', useCaseId: null, endpoint: 'elsewhere' }],
];
const dossiers = new Dossiers('default');
for (const [stream, data] of log) dossiers.add({ streamId: `default/any/${stream}`, data });
dossiers.add({ streamId: 'foreign/any/subject/a', data: { subject: version('credit', 'a') } });

const shown = (of: DossierOf, name: string) =>
  dossiers.streams(of, name).map((streamId) => streamId.slice('default/any/'.length));

const AROUND = ['data-source/census', 'ground-truth/g1', 'incident/i1', 'monitor/m1', 'use-case/loans'];
const CREDIT = [
  'baseline/b1',
  'evaluation/e1',
  'logged-model/m-1',
  'model-version/credit-id-1',
  'policy/high',
  'registered-model/credit-id',
  'run/r1',
  'run/r2',
  'subject/a',
];
const RULES = ['registered-model/rules-id', 'subject/b'];

describe('the dossier', () => {
  it('of a model holds how it was made, judged, served and watched, and no other model', () => {
    expect(shown('model', 'credit')).toEqual([...CREDIT, ...AROUND, 'endpoint/decide'].sort());
  });

  it('of a model is found under a name that it had', () => {
    expect(shown('model', 'score')).toEqual(shown('model', 'credit'));
  });

  it('of an endpoint holds every model that it was asked to serve, and no other endpoint', () => {
    expect(shown('endpoint', 'decide')).toEqual([...CREDIT, ...RULES, ...AROUND, 'endpoint/decide'].sort());
  });

  it('of a use case holds its endpoints and incidents', () => {
    expect(shown('use-case', 'loans')).toEqual(shown('endpoint', 'decide'));
  });

  it('of something that is not there is empty, and names what is', () => {
    expect(shown('model', 'kredit')).toEqual([]);
    expect(dossiers.names('model')).toEqual(['score', 'credit', 'rules', 'other']);
    expect(dossiers.names('endpoint')).toEqual(['decide', 'elsewhere']);
    expect(dossiers.names('use-case')).toEqual(['loans']);
  });
});
