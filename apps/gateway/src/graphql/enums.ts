import { deploymentEnums } from '../deployment/deployment.enums.js';
import { monitoringEnums } from '../monitoring/monitoring.enums.js';
import { registryEnums } from '../registry/registry.enums.js';
import { commonEnums } from './common.enums.js';

/** What is behind the values of enums, in answers and in inputs alike: outside all are CONSTANT_CASE. */
export const enums = { ...commonEnums, ...registryEnums, ...deploymentEnums, ...monitoringEnums } as const;
