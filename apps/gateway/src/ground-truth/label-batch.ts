import type { LabelRecord } from '@kontor/domain/monitoring';
import { z } from 'zod';

/** One request stays below the body limit of the door, and one batch below a second of work. */
const MAX_LABELS = 10_000;
const MAX_REPORTED_PROBLEMS = 20;

/** Rows and revisions are stored as 32-bit integers. */
const count32 = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);

const label = z.strictObject({
  predictionId: z.uuid(),
  /** Row of the request that it belongs to. */
  row: count32.default(0),
  label: z.union([z.literal([0, 1]), z.boolean()], 'must be 0, 1, true or false'),
  /** A correction has a higher one. */
  revision: count32.default(0),
  observedAt: z.iso.datetime({ offset: true }),
});

const batch = z.strictObject({
  endpoint: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'must be 1 to 63 of a-z, 0-9 and -'),
  labelName: z.string().min(1).max(200),
  source: z.string().max(5000).default('api'),
  labels: z.array(label).min(1).max(MAX_LABELS),
});

export type LabelBatch = z.output<typeof batch>;

export interface LabelProblem {
  readonly message: string;
  /** Field of each problem, with the index of its label. */
  readonly problems: readonly { readonly path: string; readonly message: string }[];
}

/** One thing that is wrong, in the form of several. */
export const problemOf = (path: string, message: string): LabelProblem => ({
  message: `${path}: ${message}`,
  problems: [{ path, message }],
});

/**
 * Reads a batch of labels as it came in.
 *
 * @returns the records for the label stream, or which label and field is wrong and what is allowed.
 */
export const labelRecords = (
  body: unknown,
  workspace: string,
): { batch: LabelBatch; records: readonly LabelRecord[] } | { problem: LabelProblem } => {
  const parsed = batch.safeParse(body);
  if (!parsed.success) {
    const problems = parsed.error.issues.slice(0, MAX_REPORTED_PROBLEMS).map(({ path, message }) => ({
      path: path
        .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
        .join('')
        .replace(/^\./, ''),
      message,
    }));
    const [first] = problems;
    return { problem: { message: `${first?.path || 'body'}: ${first?.message ?? 'is not allowed'}`, problems } };
  }
  const { endpoint, labelName, labels } = parsed.data;
  const records = labels.map(({ predictionId, row, label: value, revision, observedAt }) => ({
    predictionId,
    workspace,
    endpoint,
    labelName,
    row,
    value,
    revision,
    observedAtMs: Date.parse(observedAt),
  }));
  return { batch: parsed.data, records };
};
