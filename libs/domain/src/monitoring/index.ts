export { baseline, type BaselineState } from './baseline.js';
export {
  type MeasuredChange,
  type MeasuredDrift,
  type MeasuredOutcomes,
  type MonitoringCommand,
  monitoringCommands,
} from './commands.js';
export { monitoring, monitoringStream } from './context.js';
export { dataSource } from './data-source.js';
export { judgeDrift, minimalRows } from './drift-rule.js';
export { evaluation, type EvaluationState } from './evaluation.js';
export {
  type BaselineRequest,
  baselineRequest,
  type Dataset,
  type EvaluationRequest,
  evaluationRequest,
  type FeatureBins,
  featureBins,
  type FeatureDrift,
  featureDrift,
  type GroupDifference,
  groupDifference,
  type MonitoringEvent,
  monitoringEvents,
  type Performance,
  performance,
  type Window,
} from './events.js';
export { groundTruth } from './ground-truth.js';
export { type InferenceRecord, inferenceRecord, type LabelRecord, labelRecord } from './inference-record.js';
export { monitor, type MonitorState } from './monitor.js';
export { type MonitoringRejection, monitoringRejections } from './rejections.js';
export {
  CHANGE_MIN_ROWS,
  type RefusedInput,
  sourceChanges,
  type SourceWindow,
  type WindowProfile,
} from './source-change.js';
