import { entity } from '../graphql/entity.js';
import { erasures } from './erasures.projection.js';
import { gateDecisions } from './gate-decisions.projection.js';
import { incidents } from './incidents.projection.js';
import { policies } from './policies.projection.js';
import { subjects } from './subjects.projection.js';
import { useCases } from './use-cases.projection.js';

export const useCaseEntity = entity('UseCase', useCases, {
  columns: { useCaseId: 'text', tier: 'text' },
  indexes: [['workspace', 'useCaseId', 'key']],
  order: { column: 'useCaseId', descending: false },
});

export const policyEntity = entity('Policy', policies, {
  columns: { policyId: 'text', environment: 'text' },
  indexes: [['workspace', 'policyId', 'key']],
  order: { column: 'policyId', descending: false },
});

export const subjectEntity = entity('Subject', subjects, {
  columns: { manifestDigest: 'text' },
  indexes: [['workspace', 'manifestDigest', 'key']],
  order: { column: 'manifestDigest', descending: false },
  personal: ['approvals'],
});

export const gateDecisionEntity = entity('GateDecision', gateDecisions, {
  columns: { at: 'text', endpoint: 'text', manifestDigest: 'text', outcome: 'text' },
  indexes: [['workspace', 'at', 'key']],
  order: { column: 'at', descending: true },
});

export const incidentEntity = entity('Incident', incidents, {
  columns: { openedAt: 'text', useCaseId: 'text' },
  indexes: [['workspace', 'openedAt', 'key']],
  order: { column: 'openedAt', descending: true },
});

export const erasureEntity = entity('Erasure', erasures, {
  columns: { erasedAt: 'text', subjectId: 'text' },
  indexes: [['workspace', 'erasedAt', 'key']],
  order: { column: 'erasedAt', descending: true },
});
