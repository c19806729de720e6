export {
  allBins,
  binFinder,
  type Bins,
  binsOf,
  type FeatureValue,
  numericBin,
  numericEdges,
  ordinaryBins,
} from './bins.js';
export { cellOf, cellQuantile, type Cells, RELATIVE_WIDTH } from './cells.js';
export { jensenShannonDistance, kolmogorovSmirnovBinned, psi } from './drift.js';
export {
  fairnessMetrics,
  type FairnessMetric,
  groupDifference,
  type GroupValue,
  type OddsDifference,
  oddsDifferences,
} from './fairness.js';
export { hanleyMcNeilInterval, type Interval, meanInterval, newcombeInterval, wilsonInterval } from './intervals.js';
export { accuracy, type Confusion, confusionOf, DECISION_THRESHOLD, logLossOf, rocAuc } from './performance.js';
export { quantile } from './quantiles.js';
export { obrienFlemingBoundary } from './sequential.js';
export { chiSquareQuantile, chiSquareSurvival, normalQuantile, normalSurvival } from './special-functions.js';
export { benjaminiHochberg, type Proportion, twoProportionZ } from './tests.js';
