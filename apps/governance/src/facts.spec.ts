import { BEGINNING, type EventStore, InMemoryEventStore, type Position } from '@kontor/event-sourcing';
import { type DeploymentEvent, endpointStream } from '@kontor/domain/deployment';
import {
  defaultPolicies,
  type GovernanceEvent,
  policyStream,
  subjectStream,
  useCaseStream,
} from '@kontor/domain/governance';
import { uuidv7 } from '@kontor/testing';
import { expect, it } from 'vitest';
import { withGateContext } from './facts.js';

/** The log takes command ids of its own time only, and those here are made now. */
const NOW = new Date().toISOString();

const append = async (
  store: EventStore,
  stream: string,
  { type, data }: GovernanceEvent | DeploymentEvent,
): Promise<void> => {
  const meta = { correlationId: uuidv7(), actorKind: 'person' as const };
  const events = [{ eventId: uuidv7(), type, schemaVersion: 1, data, meta }];
  const writes = [{ stream, expected: 'any' as const, events }];
  await store.append({ commandId: uuidv7(), requestHash: new Uint8Array(32), actor: 'olga', writes });
};

const register = (store: EventStore, workspace: string): Promise<void> =>
  append(store, useCaseStream(workspace, 'credit'), {
    type: 'UseCaseRegistered',
    data: { useCaseId: 'credit', name: 'n', purpose: 'p', owner: 'o', endpoints: ['credit'], modelNames: [] },
  });

it('gives the facts of the workspace as they stand, and reads only what is new', async () => {
  const store = new InMemoryEventStore({ now: () => NOW, upcasters: {} });
  const readFrom: Position[] = [];
  const { EvaluateGate } = withGateContext({
    append: (request) => store.append(request),
    findCommand: (commandId) => store.findCommand(commandId),
    readStream: (stream, after) => store.readStream(stream, after),
    readAll: (after, options) => {
      readFrom.push(after);
      return store.readAll(after, options);
    },
    head: () => store.head(),
  });
  const asked = {
    rolloutId: uuidv7(),
    endpoint: 'credit',
    environment: 'production',
    subject: { modelName: 'credit', version: 1, manifestDigest: `sha256:${'a'.repeat(64)}` },
    requestedBy: 'rosa',
    context: null,
  };
  const contextIn = async (workspace: string): Promise<unknown> => {
    const found = await EvaluateGate?.({
      ...{ position: '1', ordinal: 0, workspace, commandId: uuidv7(), type: 'EvaluateGate', data: asked },
      ...{ now: NOW, correlationId: uuidv7(), causationId: uuidv7() },
    });
    return (found as { context: unknown }).context;
  };
  const stream = useCaseStream('default', 'credit');
  const useCase = { useCaseId: 'credit', tier: 'UNCLASSIFIED', suspended: false };

  await register(store, 'default');
  await register(store, 'other');
  expect(await contextIn('default')).toEqual({ useCase, policy: null, restsOn: [{ stream, version: '1' }] });

  const seen = await store.head();
  const suspended = { useCaseId: 'credit', endpoints: ['credit'], reason: 'r', by: 'olga' };
  await append(store, stream, { type: 'UseCaseSuspended', data: suspended });
  const [table] = defaultPolicies;
  if (!table) throw new Error('there are no default policies');
  const data = {
    ...table,
    version: 1,
    tiers: ['UNCLASSIFIED' as const],
    digest: asked.subject.manifestDigest,
    by: 'o',
  };
  await append(store, policyStream('default', table.policyId), { type: 'PolicyActivated', data });
  expect(await contextIn('default')).toEqual({
    useCase: { ...useCase, suspended: true },
    policy: data,
    restsOn: [
      { stream, version: '2' },
      { stream: policyStream('default', table.policyId), version: '1' },
    ],
  });
  expect(await contextIn('other')).toMatchObject({ useCase, policy: null });
  expect(readFrom).toEqual([BEGINNING, seen, await store.head()]);
});

const ENDS = [
  { type: 'RolloutAborted', data: { rolloutId: uuidv7(), endpoint: 'credit', reason: 'r', by: 'olga' } },
  { type: 'RolloutRefused', data: { rolloutId: uuidv7(), endpoint: 'credit', gateId: uuidv7(), reasons: ['r'] } },
] satisfies DeploymentEvent[];

it.each(ENDS)('knows a rollout that ended by $type, and which artifacts had a decision about it', async (end) => {
  const store = new InMemoryEventStore({ now: () => NOW, upcasters: {} });
  const { ReevaluateGates, RecheckGates } = withGateContext(store);
  const subject = { modelName: 'credit', version: 1, manifestDigest: `sha256:${'a'.repeat(64)}` };
  const { rolloutId } = end.data;
  const endpoint = endpointStream('default', 'credit');
  await append(store, endpoint, end);
  // The decision comes after the end: it was asked for before.
  await append(store, subjectStream('default', subject.manifestDigest), {
    type: 'GateEvaluated',
    data: {
      ...{ gateId: uuidv7(), rolloutId, endpoint: 'credit', environment: 'production', subject, useCaseId: null },
      ...{ tier: 'LOW', policy: null, factsDigest: subject.manifestDigest, facts: { requestedBy: 'rosa' }, at: NOW },
      ...{ outcome: 'PASS', rules: [], restsOn: [] },
    },
  });
  const waiting = (type: string, data: unknown) => ({
    ...{ position: '1', ordinal: 0, workspace: 'default', commandId: uuidv7(), type, data },
    ...{ now: NOW, correlationId: uuidv7(), causationId: uuidv7() },
  });
  const again = await ReevaluateGates?.(waiting('ReevaluateGates', { subject, contexts: null }));
  expect(again).toMatchObject({ ended: [rolloutId] });
  const recheck = { causeId: uuidv7(), moved: endpoint, subjects: null };
  expect(await RecheckGates?.(waiting('RecheckGates', recheck))).toMatchObject({ subjects: [subject] });
});
