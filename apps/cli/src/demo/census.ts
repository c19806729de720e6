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

/** Columns that the models read, in the order of the file. */
export const FEATURES = [
  'AGEP',
  'SCHL',
  'MAR',
  'RELP',
  'DIS',
  'ESP',
  'CIT',
  'MIG',
  'MIL',
  'ANC',
  'NATIVITY',
  'DEAR',
  'DEYE',
  'DREM',
  'SEX',
  'RAC1P',
] as const;

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

/** Seed of the order in which rows of a year arrive; any other gives the same story. */
const ARRIVAL_SEED = 2015;

/**
 * The rows in the order of their arrival. The survey says the year of a row and nothing finer, and its files are sorted
 * by area and kind of household; read in that order, every month would be another place.
 *
 * @source Fisher-Yates shuffle with mulberry32, a 32-bit mixing generator.
 */
export const inOrderOfArrival = ({ features, labels, rows }: CensusRows): CensusRows => {
  let state = ARRIVAL_SEED;
  const random = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const order = Uint32Array.from({ length: rows }, (_, index) => index);
  for (let last = rows - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
  }
  const arranged = (column: Float64Array): Float64Array => Float64Array.from(order, (row) => column[row] ?? NaN);
  return {
    features: new Map([...features].map(([name, column]) => [name, arranged(column)])),
    labels: arranged(labels),
    rows,
  };
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
