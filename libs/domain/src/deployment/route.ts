import { z } from 'zod';
import { basisPoints, modelVersionRef, servable, slug } from '../values.js';

/**
 * The route of one endpoint as serving processes see it: one value in the JetStream KV bucket `KONTOR_ROUTES` under
 * {@link routeKey}. A cache of the endpoint's stream; the bucket can be deleted and written again from the log.
 */
export const routeEntry = z.strictObject({
  workspace: z.string(),
  endpoint: slug,
  environment: z.enum(['staging', 'production']),
  /** Version of the endpoint's stream that this was folded from. A front ignores an older or equal one. */
  streamVersion: z.int().min(1),
  /** A suspended endpoint answers 503 to inference and keeps its models loaded. */
  suspended: z.boolean(),
  /** Salt of `split@1`; fixed when the endpoint is created, so that assignments are sticky. */
  salt: z.string(),
  /** In the order of `split@1`: a growing weight moves keys only towards the newest. Weight 0 means: loaded, no traffic. */
  revisions: z.array(
    z.strictObject({ revisionId: z.string(), weightBps: basisPoints, version: modelVersionRef, servable }),
  ),
});
export type RouteEntry = z.output<typeof routeEntry>;

/** An endpoint's name is unique in its workspace only, so the key has both. */
export const routeKey = ({ workspace, endpoint }: Pick<RouteEntry, 'workspace' | 'endpoint'>): string =>
  `${workspace}.${endpoint}`;
