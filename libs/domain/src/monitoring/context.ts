import { type Context, routes, type StreamId, streamId } from '@kontor/event-sourcing';
import { baseline, type BaselineState } from './baseline.js';
import { monitoringCommands } from './commands.js';
import { dataSource, type DataSourceState } from './data-source.js';
import { evaluation, type EvaluationState } from './evaluation.js';
import { type MonitoringEvent, monitoringEvents } from './events.js';
import { groundTruth, type GroundTruthState } from './ground-truth.js';
import { monitor, type MonitorState } from './monitor.js';
import { sameData } from '../values.js';
import { type MonitoringRejection, monitoringRejections } from './rejections.js';

type Schemas = typeof monitoringCommands;
type InWorkspace = { readonly metadata: { readonly workspace: string } };

/**
 * A baseline's stream is its request and one answer. At any other version the baseline is unknown or still being made,
 * and a monitor of it would wait in silence. A guard sees versions only: the answer may still be a failure.
 */
const ANSWERED_BASELINE = 2n;

/** The stream of one aggregate: `<workspace>/monitoring/<aggregate>/<id>`. */
export const monitoringStream = (
  workspace: string,
  aggregate: 'baseline' | 'evaluation' | 'monitor' | 'data-source' | 'ground-truth',
  id: string,
): StreamId => streamId({ workspace, context: 'monitoring', aggregate, id });

const onBaseline = ({ metadata, data }: InWorkspace & { readonly data: { readonly baselineId: string } }): StreamId =>
  monitoringStream(metadata.workspace, 'baseline', data.baselineId);
const onEvaluation = ({
  metadata,
  data,
}: InWorkspace & { readonly data: { readonly evaluationId: string } }): StreamId =>
  monitoringStream(metadata.workspace, 'evaluation', data.evaluationId);
const onMonitor = ({ metadata, data }: InWorkspace & { readonly data: { readonly monitorId: string } }): StreamId =>
  monitoringStream(metadata.workspace, 'monitor', data.monitorId);

/** Everything that the monitoring context allows. */
export const monitoring: Context = {
  name: 'monitoring',
  events: monitoringEvents,
  commands: monitoringCommands,
  routes: {
    ...routes<Schemas>()<
      BaselineState,
      MonitoringEvent,
      MonitoringRejection,
      'RequestBaseline' | 'PinBaseline' | 'FailBaseline'
    >(baseline, {
      RequestBaseline: { stream: onBaseline },
      PinBaseline: { stream: onBaseline },
      FailBaseline: { stream: onBaseline },
    }),
    ...routes<Schemas>()<
      EvaluationState,
      MonitoringEvent,
      MonitoringRejection,
      'RequestEvaluation' | 'CompleteEvaluation' | 'FailEvaluation'
    >(evaluation, {
      RequestEvaluation: { stream: onEvaluation },
      CompleteEvaluation: { stream: onEvaluation },
      FailEvaluation: { stream: onEvaluation },
    }),
    ...routes<Schemas>()<
      MonitorState,
      MonitoringEvent,
      MonitoringRejection,
      'DefineMonitor' | 'CloseWindow' | 'ReviseWindow' | 'AcknowledgeAlert'
    >(monitor, {
      DefineMonitor: {
        stream: onMonitor,
        guards: ({ metadata, data }) => [
          { stream: monitoringStream(metadata.workspace, 'baseline', data.baselineId), expected: ANSWERED_BASELINE },
        ],
      },
      CloseWindow: { stream: onMonitor },
      ReviseWindow: { stream: onMonitor },
      AcknowledgeAlert: { stream: onMonitor },
    }),
    ...routes<Schemas>()<DataSourceState, MonitoringEvent, never, 'RegisterDataSource'>(dataSource, {
      RegisterDataSource: {
        stream: ({ metadata, data }) => monitoringStream(metadata.workspace, 'data-source', data.dataSourceId),
      },
    }),
    ...routes<Schemas>()<GroundTruthState, MonitoringEvent, MonitoringRejection, 'ReceiveGroundTruth'>(groundTruth, {
      ReceiveGroundTruth: {
        stream: ({ metadata, data }) => monitoringStream(metadata.workspace, 'ground-truth', data.batchId),
      },
    }),
  },
  // Version 2 stores personal values encrypted. Readers see a text in both.
  upcasters: { AlertAcknowledged: [sameData] },
  // What follows from monitoring's events is work with rows and models, so it is the workers', not a pure reaction.
  reactions: { canHandle: [], react: () => [] },
  rejections: monitoringRejections,
};
