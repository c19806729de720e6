import { endpointEntity, rolloutEntity } from '../deployment/deployment.entities.js';
import {
  erasureEntity,
  gateDecisionEntity,
  incidentEntity,
  policyEntity,
  subjectEntity,
  useCaseEntity,
} from '../governance/governance.entities.js';
import {
  alertEntity,
  baselineEntity,
  dataSourceEntity,
  driftEntity,
  evaluationEntity,
  monitorEntity,
  windowEntity,
} from '../monitoring/monitoring.entities.js';
import {
  aliasMoveEntity,
  artifactEntity,
  experimentEntity,
  latestMetricEntity,
  loggedModelEntity,
  metricBatchEntity,
  modelVersionEntity,
  registeredModelEntity,
  runEntity,
  webhookEntity,
  workspaceEntity,
} from '../registry/registry.entities.js';
import type { Entity } from './entity.js';

/** Every read model of the platform. */
export const entities: readonly Entity<object>[] = [
  experimentEntity,
  runEntity,
  latestMetricEntity,
  metricBatchEntity,
  loggedModelEntity,
  registeredModelEntity,
  aliasMoveEntity,
  modelVersionEntity,
  artifactEntity,
  workspaceEntity,
  webhookEntity,
  endpointEntity,
  rolloutEntity,
  baselineEntity,
  monitorEntity,
  windowEntity,
  driftEntity,
  alertEntity,
  dataSourceEntity,
  evaluationEntity,
  useCaseEntity,
  policyEntity,
  subjectEntity,
  gateDecisionEntity,
  incidentEntity,
  erasureEntity,
];
