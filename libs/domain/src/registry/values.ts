import { personal } from '@kontor/event-sourcing';
import { z } from 'zod';

// Values that events and commands of the registry share.

/** Lengths count code points, as MLflow's do. */
export const upTo = (limit: number) =>
  z.string().refine((value) => value.length <= limit || [...value].length <= limit, {
    error: `must have at most ${limit} characters`,
  });

/** Of a tag, param or metric. @source MLflow 3.18, `validation.py`: lengths. */
export const key = upTo(250).min(1);

/** The number that MLflow shows, in decimal, and the stream's id: "0" is `Default`. */
export const experimentId = z.string().regex(/^(0|[1-9]\d{0,18})$/, 'must be a decimal number below 10^19');
/** @source MLflow 3.18, `validation.py`: run ids. */
export const runId = z
  .string()
  .regex(/^[a-zA-Z0-9][\p{L}\p{N}_-]{0,255}$/u, 'must be 1 to 256 letters, digits, _ and -');
export const loggedModelId = z.string().regex(/^m-[0-9a-f]{32}$/, 'must be m- and 32 hex digits');
/** Opaque: the name of a registered model is an attribute that changes, its id never does. */
export const modelId = z.string().regex(/^[0-9a-f-]{32,36}$/, 'must be a UUID or 32 hex digits');

export const keyValue = z.strictObject({ key: z.string(), value: z.string() });
export type KeyValue = z.output<typeof keyValue>;

/**
 * Tags in which MLflow's client tells who ran the program: the user of the operating system, and the path of the program,
 * which begins with a home directory.
 *
 * @source MLflow 3.18, `mlflow/tracking/context/default_context.py`
 */
export const PERSONAL_TAGS: readonly string[] = ['mlflow.user', 'mlflow.source.name'];

/** The value of a tag, beside its `key`: personal where the key says so. */
export const tagValue = <Value extends z.ZodType>(value: Value): Value =>
  personal(value, { subject: 'actor', when: { key: PERSONAL_TAGS } });
