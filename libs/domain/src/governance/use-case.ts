import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import { mayGovern, rolesRequired } from './authority.js';
import type { governanceCommands } from './commands.js';
import type { GovernanceEvent, RiskTier } from './events.js';
import type { GovernanceRejection } from './rejections.js';
import { classify, SCORECARD } from './scorecard.js';
import { canonicalJson } from '../digest.js';

export type UseCaseState =
  | { readonly status: 'None' }
  | {
      readonly status: 'Registered';
      readonly useCaseId: string;
      readonly endpoints: readonly string[];
      readonly tier: RiskTier;
      /** Canonical JSON of the answers that gave the tier; null before the first. */
      readonly answers: string | null;
      readonly suspended: boolean;
    };

export type UseCaseCommand = CommandOf<
  typeof governanceCommands,
  'RegisterUseCase' | 'ClassifyUseCase' | 'SuspendUseCase' | 'ResumeUseCase'
>;

/** The rules of one use case. Its endpoints are claimed, so an endpoint has at most one. */
export const useCase: Decider<UseCaseState, UseCaseCommand, GovernanceEvent, GovernanceRejection> = {
  initialState: { status: 'None' },
  decide: (command, state) => {
    const { useCaseId } = command.data;
    const { actor } = command.metadata;
    const by = actor.id;
    if (command.type === 'RegisterUseCase') {
      if (state.status !== 'None') return reject('USE_CASE_EXISTS', { useCaseId });
      const endpoints = [...new Set(command.data.endpoints)];
      return [{ type: 'UseCaseRegistered', data: { ...command.data, endpoints } }];
    }
    if (state.status === 'None') return reject('USE_CASE_UNKNOWN', { useCaseId });
    // Stopping is cheap and needs one person, whoever it is; all that lets something run needs a role.
    if (command.type !== 'SuspendUseCase' && !mayGovern(actor)) return reject('ROLE_REQUIRED', rolesRequired(actor));
    const { endpoints } = state;
    switch (command.type) {
      case 'ClassifyUseCase': {
        const { answers } = command.data;
        if (canonicalJson(answers) === state.answers) return [];
        const { tier, score, legalFloor } = classify(answers);
        const floor = { tier: legalFloor.tier, triggers: [...legalFloor.triggers] };
        const data = { useCaseId, tier, scorecard: SCORECARD, answers, score, legalFloor: floor, by };
        return [{ type: 'RiskTierAssigned', data }];
      }
      case 'SuspendUseCase': {
        if (state.suspended) return [];
        const data = { useCaseId, endpoints: [...endpoints], reason: command.data.reason, by };
        return [{ type: 'UseCaseSuspended', data }];
      }
      case 'ResumeUseCase': {
        if (!state.suspended) return [];
        const data = { useCaseId, endpoints: [...endpoints], reason: command.data.reason, by };
        return [{ type: 'UseCaseResumed', data }];
      }
      default:
        return unreachable(command);
    }
  },
  evolve: (state, event) => {
    if (event.type === 'UseCaseRegistered') {
      const { useCaseId, endpoints } = event.data;
      return { status: 'Registered', useCaseId, endpoints, tier: 'UNCLASSIFIED', answers: null, suspended: false };
    }
    if (state.status === 'None') throw new Error(`${event.type} before UseCaseRegistered`);
    switch (event.type) {
      case 'RiskTierAssigned':
        return { ...state, tier: event.data.tier, answers: canonicalJson(event.data.answers) };
      case 'UseCaseSuspended':
        return { ...state, suspended: true };
      case 'UseCaseResumed':
        return { ...state, suspended: false };
      default:
        return state;
    }
  },
};
