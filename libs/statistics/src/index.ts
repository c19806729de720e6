export {
  allBins,
  binFinder,
  type Bins,
  binsOf,
  categoryOf,
  type FeatureValue,
  numericBin,
  numericEdges,
  ordinaryBins,
} from './bins.js';
export { cellOf, cellQuantile, type Cells } from './cells.js';
export {
  jensenShannonDistance,
  kolmogorovSmirnov,
  kolmogorovSmirnovBinned,
  type Psi,
  psi,
  totalVariation,
} from './drift.js';
export {
  fairnessMetrics,
  type FairnessMetric,
  type FairnessResult,
  groupDifference,
  type GroupValue,
} from './fairness.js';
export { hanleyMcNeilInterval, type Interval, meanInterval, newcombeInterval, wilsonInterval } from './intervals.js';
export {
  accuracy,
  brierOf,
  type Confusion,
  confusionOf,
  DECISION_THRESHOLD,
  f1,
  LOG_LOSS_EPSILON,
  logLossOf,
  precision,
  recall,
  rocAuc,
  rocAucBinned,
} from './performance.js';
export { quantile } from './quantiles.js';
export { obrienFlemingBoundary } from './sequential.js';
export {
  chiSquareQuantile,
  chiSquareSurvival,
  erfc,
  normalCdf,
  normalQuantile,
  normalSurvival,
} from './special-functions.js';
export { benjaminiHochberg, chiSquareHomogeneity, type Proportion, twoProportionZ, twoSidedP } from './tests.js';
