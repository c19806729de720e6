import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import type { Tensor } from './doors.js';

/** Rows of the employment data, by column: one Float64Array per feature, and the label (1 = employed). */
export interface CensusRows {
  readonly features: ReadonlyMap<string, Float64Array>;
  readonly labels: Float64Array;
  readonly rows: number;
}

export const LABEL = 'ESR';

/**
 * Reads a gzip CSV with a header line of column names; every value is a number, an empty one is NaN.
 *
 * @throws Error if a line has another number of values than the header.
 */
export const readCensus = async (file: URL): Promise<CensusRows> => {
  const [header = '', ...lines] = gunzipSync(await readFile(file))
    .toString('utf8')
    .trim()
    .split('\n');
  const names = header.split(',');
  const columns = names.map(() => new Float64Array(lines.length));
  lines.forEach((line, row) => {
    const values = line.split(',');
    if (values.length !== names.length)
      throw new Error(`${file.pathname}: line ${row + 2} has ${values.length} values`);
    values.forEach((value, column) => {
      (columns[column] ?? [])[row] = value === '' ? NaN : Number(value);
    });
  });
  const byName = new Map(names.map((name, index) => [name, columns[index] ?? new Float64Array()]));
  const labels = byName.get(LABEL);
  if (!labels) throw new Error(`${file.pathname} has no column ${LABEL}`);
  byName.delete(LABEL);
  return { features: byName, labels, rows: lines.length };
};

/** Rows `from` to `to` (exclusive) as one inference request: one input of shape [n, 1] per feature. */
export const tensors = (
  { features }: CensusRows,
  from: number,
  to: number,
  change: (feature: string, value: number) => number = (_, value) => value,
): readonly Tensor[] =>
  [...features].map(([name, column]) => ({
    name,
    datatype: 'FP32',
    shape: [to - from, 1],
    data: Array.from(column.subarray(from, to), (value) => change(name, value)),
  }));
