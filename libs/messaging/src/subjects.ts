import { parseStreamId, type StreamId } from '@kontor/event-sourcing';

/** All events of the log. */
export const ALL_EVENTS = 'kontor.evt.>';
const INFERENCE = 'kontor.infer.';
const LABEL = 'kontor.label.';
/** All telemetry: inference records and labels. */
export const ALL_TELEMETRY = [`${INFERENCE}>`, `${LABEL}>`] as const;

/** `kontor.evt.<workspace>.<context>.<aggregate>.<EventType>`. The stream id is no token: the server keeps state per subject. */
export const eventSubject = (stream: StreamId, type: string): string => {
  const { workspace, context, aggregate } = parseStreamId(stream);
  return `kontor.evt.${workspace}.${context}.${aggregate}.${type}`;
};

/** `kontor.cmd.<context>.<CommandType>`. */
export const commandSubject = (context: string, type: string): string => `kontor.cmd.${context}.${type}`;

/** All commands of one context. */
export const commandSubjects = (context: string): string => `kontor.cmd.${context}.*`;

/** Inference records of one endpoint. */
export const inferenceSubject = (workspace: string, endpoint: string): string => `${INFERENCE}${workspace}.${endpoint}`;

/** Whether a message of the telemetry stream holds inference records. */
export const isInference = (subject: string): boolean => subject.startsWith(INFERENCE);

/** Labels of one endpoint. */
export const labelSubject = (workspace: string, endpoint: string): string => `${LABEL}${workspace}.${endpoint}`;

/** Whether a message of the telemetry stream holds labels. */
export const isLabel = (subject: string): boolean => subject.startsWith(LABEL);
