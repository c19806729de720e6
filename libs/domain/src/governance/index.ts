export { gateContext, type GateContext, type GovernanceCommand, governanceCommands } from './commands.js';
export { governance, legalHoldStream, personStream, policyStream, subjectStream, useCaseStream } from './context.js';
export { defaultPolicies } from './default-policies.js';
export {
  erasureGround,
  evidenceType,
  gateRule,
  type GateRule,
  type GovernanceEvent,
  governanceEvents,
  riskTier,
  type RiskTier,
  ruleOutcome,
  type RuleOutcome,
} from './events.js';
export { evaluateGate, type GateDecision, type RuleResult } from './gate.js';
export { buildFacts, type GateFacts } from './facts.js';
export { policy, type PolicyState } from './policy.js';
export { type GovernanceRejection, governanceRejections } from './rejections.js';
export { classify, type Classification, type ScorecardAnswers, scorecardAnswers } from './scorecard.js';
export { openGates, subject, type SubjectState } from './subject.js';
export { useCase, type UseCaseState } from './use-case.js';
