import type { RevisionRow } from '../deployment/endpoints.projection.js';
import type { GateDecisionRow } from '../governance/gate-decisions.projection.js';
import type { PolicyRow } from '../governance/policies.projection.js';
import type { DataSourceRow } from '../monitoring/data-sources.projection.js';
import type { EvaluationRow } from '../monitoring/evaluations.projection.js';
import type { RegisteredModelRow } from '../registry/registered-models.projection.js';
import type { Momentary } from './context.js';

// Parts of rows that have resolvers of their own. Those that lead on to another row carry the moment.

export type ModelAliasParent = RegisteredModelRow['aliases'][number] & { readonly modelId: string } & Momentary;
export type VersionRefParent = RevisionRow['version'] & Momentary;
export type RevisionParent = RevisionRow & Momentary;
export type ComparisonParent = NonNullable<EvaluationRow['comparedWith']> & Momentary;
export type DataSourceChangeParent = DataSourceRow['changes'][number];
export type GateRuleParent = PolicyRow['rules'][number];
export type RuleResultParent = GateDecisionRow['rules'][number];
