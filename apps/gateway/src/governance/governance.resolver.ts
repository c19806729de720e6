import { endpointEntity, rolloutEntity } from '../deployment/deployment.entities.js';
import type { Resolvers } from '../graphql/generated/types.js';
import { nodeId, readOne, readPage, within } from '../graphql/read.js';
import { alertEntity } from '../monitoring/monitoring.entities.js';
import {
  erasureEntity,
  gateDecisionEntity,
  incidentEntity,
  policyEntity,
  subjectEntity,
  useCaseEntity,
} from './governance.entities.js';

type Types =
  'Query' | 'Erasure' | 'GateDecision' | 'GateRule' | 'Incident' | 'Policy' | 'RuleResult' | 'Subject' | 'UseCase';

/** Use cases, policies, subjects, gate decisions, incidents and erasures as people read them. */
export const governanceQueries: Pick<Resolvers, Types> = {
  Query: {
    useCase: (parent, { useCaseId }, context) => readOne(useCaseEntity, [useCaseId], parent, context),
    useCases: (parent, { tier, ...page }, context) => readPage(useCaseEntity, page, { tier }, parent, context),
    policy: (parent, { policyId }, context) => readOne(policyEntity, [policyId], parent, context),
    policies: (parent, { environment, ...page }, context) =>
      readPage(policyEntity, page, { environment }, parent, context),
    subject: (parent, { manifestDigest }, context) => readOne(subjectEntity, [manifestDigest], parent, context),
    subjects: (parent, page, context) => readPage(subjectEntity, page, {}, parent, context),
    gateDecision: (parent, { gateId }, context) => readOne(gateDecisionEntity, [gateId], parent, context),
    gateDecisions: (parent, { endpoint, manifestDigest, outcome, ...page }, context) =>
      readPage(gateDecisionEntity, page, { endpoint, manifestDigest, outcome }, parent, context),
    incident: (parent, { incidentId }, context) => readOne(incidentEntity, [incidentId], parent, context),
    incidents: (parent, { useCaseId, ...page }, context) =>
      readPage(incidentEntity, page, { useCaseId }, parent, context),
    erasure: (parent, { subjectId }, context) => readOne(erasureEntity, [subjectId], parent, context),
    erasures: (parent, page, context) => readPage(erasureEntity, page, {}, parent, context),
  },
  Erasure: { id: nodeId(erasureEntity) },
  GateDecision: {
    id: nodeId(gateDecisionEntity),
    endpointName: ({ endpoint }) => endpoint,
    rollout: (row, _args, context) => readOne(rolloutEntity, [row.rolloutId], row, context),
    subject: (row) => within(row.subject, row),
    useCase: (row, _args, context) =>
      row.useCaseId === null ? null : readOne(useCaseEntity, [row.useCaseId], row, context),
  },
  GateRule: { ruleId: ({ id }) => id },
  Incident: {
    id: nodeId(incidentEntity),
    useCase: (row, _args, context) =>
      row.useCaseId === null ? null : readOne(useCaseEntity, [row.useCaseId], row, context),
    alert: (row, _args, context) => (row.alertId === null ? null : readOne(alertEntity, [row.alertId], row, context)),
  },
  Policy: { id: nodeId(policyEntity) },
  RuleResult: { ruleId: ({ id }) => id },
  Subject: {
    id: nodeId(subjectEntity),
    version: (row) => within(row.version, row),
    gateDecisions: (row, page, context) =>
      readPage(gateDecisionEntity, page, { manifestDigest: row.manifestDigest }, row, context),
  },
  UseCase: {
    id: nodeId(useCaseEntity),
    endpointNames: ({ endpoints }) => endpoints,
    endpoints: async (row, _args, context) => {
      const found = await Promise.all(row.endpoints.map((name) => readOne(endpointEntity, [name], row, context)));
      return found.filter((endpoint) => endpoint !== undefined);
    },
  },
};
