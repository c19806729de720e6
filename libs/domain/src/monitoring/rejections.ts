/** Why a command of the monitoring context is refused: one sentence for a person per code. */
export const monitoringRejections = {
  ALERT_NOT_OPEN: 'The alert is resolved.',
  ALERT_UNKNOWN: 'The monitor has no such alert.',
  BASELINE_EXISTS: 'A baseline with this id was requested with other content.',
  BASELINE_NOT_REQUESTED: 'The baseline does not wait for a result.',
  DATASET_EMPTY: 'The data set must have at least one row.',
  EVALUATION_EXISTS: 'An evaluation with this id was requested with other content.',
  EVALUATION_NOT_REQUESTED: 'The evaluation does not wait for a result.',
  GROUND_TRUTH_EXISTS: 'A batch with this id was received with other content.',
  MONITOR_BASELINE_MISMATCH: 'The window was compared with another baseline than the monitor has.',
  MONITOR_EXISTS: 'A monitor with this name exists.',
  MONITOR_UNKNOWN: 'There is no monitor with this name.',
  PERSISTENCE_IMPOSSIBLE: 'The number of windows that must agree is larger than the number that is looked at.',
  SERVICE_ONLY: 'Only the platform itself sends this command.',
  WINDOW_NOT_CLOSED: 'The window is not closed, so there is nothing to revise.',
} as const;

export type MonitoringRejection = keyof typeof monitoringRejections;
