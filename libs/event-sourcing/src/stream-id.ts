/** `<workspace>/<context>/<aggregate>/<id>`, for example `default/registry/run/4f0c…`. */
export type StreamId = string;

// The same pattern stands in the database (es.stream_name), behind this one.
const PATTERN = /^[a-z0-9][a-z0-9_-]*\/[a-z]+\/[a-z][a-z-]*\/[^/\s]+$/;

export interface StreamParts {
  readonly workspace: string;
  readonly context: string;
  readonly aggregate: string;
  readonly id: string;
}

/** @throws Error if it is no stream id. */
export const requireStreamId = (stream: StreamId): void => {
  if (!PATTERN.test(stream)) throw new Error(`not a stream id: ${stream}`);
};

/**
 * Joins the parts of a stream id. The id part is percent-encoded, so any text (a model name with a space) may be one.
 *
 * @throws Error if a part breaks the pattern: ids are made by our own code, so a wrong one is a bug.
 */
export const streamId = ({ workspace, context, aggregate, id }: StreamParts): StreamId => {
  const stream = `${workspace}/${context}/${aggregate}/${encodeURIComponent(id)}`;
  requireStreamId(stream);
  return stream;
};

/**
 * Splits a stream id into its parts; the inverse of {@link streamId}.
 *
 * @throws Error if it is not one.
 */
export const parseStreamId = (stream: StreamId): StreamParts => {
  requireStreamId(stream);
  const [workspace = '', context = '', aggregate = '', id = ''] = stream.split('/');
  return { workspace, context, aggregate, id: decodeURIComponent(id) };
};
