import { z } from 'zod';
import type { RiskTier } from './events.js';

export const SCORECARD = 'scorecard@1';

/** What a law may demand of a use case, with the least tier that follows. */
const LEGAL_FLOORS = {
  'prohibited-practice': 'PROHIBITED',
  'annex-iii-area': 'HIGH',
  'annex-i-product': 'HIGH',
  credit: 'HIGH',
  insurance: 'HIGH',
  employment: 'HIGH',
  medical: 'HIGH',
} as const satisfies Record<string, RiskTier>;

const TIERS = ['UNCLASSIFIED', 'LOW', 'MEDIUM', 'HIGH', 'PROHIBITED'] as const satisfies readonly RiskTier[];

const upTo = (max: number) => z.int().min(0).max(max);

/**
 * The answers of scorecard v1: legal triggers, which give a floor, and scales, whose sum gives a band. The scales and
 * their weights are this project's own.
 *
 * @source legal triggers: Regulation (EU) 2024/1689, article 5 and annexes I and III.
 */
export const scorecardAnswers = z.strictObject({
  legalTriggers: z.array(z.enum(Object.keys(LEGAL_FLOORS) as [keyof typeof LEGAL_FLOORS])).max(20),
  /** 0: no effect on anybody; 4: decides about a life. */
  effect: upTo(4),
  /** 0: none; 1: advice; 2: a person confirms; 3: automatic with appeal; 4: automatic and final. */
  autonomy: upTo(4),
  affectedPersons: upTo(4),
  materiality: upTo(4),
  irreversibility: upTo(4),
  opacity: upTo(3),
  dataSensitivity: upTo(3),
  dependents: upTo(3),
  vendorUnknowns: upTo(2),
});
export type ScorecardAnswers = z.output<typeof scorecardAnswers>;

/** From this sum on a use case is MEDIUM: about a third of the 31 points. */
const MEDIUM_FROM = 9;
/** From this sum on it is HIGH: more than half of the 31 points. */
const HIGH_FROM = 17;
/** An effect or an autonomy of 4 alone makes a use case at least MEDIUM: a sum must not hide an extreme. */
const EXTREME = 4;

export interface Classification {
  readonly tier: RiskTier;
  /** Sum of the answers, 0 to 31. */
  readonly score: number;
  readonly legalFloor: { readonly tier: RiskTier; readonly triggers: readonly string[] };
}

const higher = (a: RiskTier, b: RiskTier): RiskTier => (TIERS.indexOf(a) >= TIERS.indexOf(b) ? a : b);

/**
 * The tier of a use case: the higher one of its legal floor and the band of its score.
 *
 * Guarantee: a further legal trigger or a higher answer never lowers the tier.
 */
export const classify = (answers: ScorecardAnswers): Classification => {
  const { legalTriggers, ...points } = answers;
  const score = Object.values(points).reduce((sum, value) => sum + value, 0);
  const extreme = answers.effect === EXTREME || answers.autonomy === EXTREME;
  const band: RiskTier = score >= HIGH_FROM ? 'HIGH' : score >= MEDIUM_FROM || extreme ? 'MEDIUM' : 'LOW';
  const floor = legalTriggers.map((trigger): RiskTier => LEGAL_FLOORS[trigger]).reduce(higher, 'LOW');
  return { tier: higher(band, floor), score, legalFloor: { tier: floor, triggers: legalTriggers } };
};
