import { writeFileSync } from 'node:fs';

/** One comparison: ours beside a yardstick, both measured in the same run. */
export interface BenchRow {
  readonly what: string;
  readonly ours: number;
  readonly beside: number | null;
  readonly unit: string;
  /** Median of the rounds' ratios, not the ratio of the medians: neighbours on the machine disturb whole rounds. */
  readonly ratio: number | null;
  /** What the ratio must reach; for a row without a ratio, what the value must not exceed. */
  readonly bar: number | null;
  readonly holds: boolean;
}

export interface BenchReport {
  readonly rows: readonly BenchRow[];
  /** What the numbers rest on: payload, yardstick, settings. */
  readonly notes: readonly string[];
  /** Each thing that was checked about the result; a fast wrong answer fails. */
  readonly checks: readonly { readonly what: string; readonly holds: boolean }[];
}

/** The middle value; of an even number of values the mean of the two in the middle. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? NaN) + high) / 2;
};

/** The value below which a share of the values lies (nearest rank). */
export const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? NaN;

/** Two series that were measured in turns: medians of both, and the median of the ratios. */
export const ratioRow = (
  what: string,
  unit: string,
  { ours, beside }: { readonly ours: readonly number[]; readonly beside: readonly number[] },
  bar: number | null = null,
): BenchRow => {
  const ratio = median(ours.map((value, round) => value / (beside[round] ?? NaN)));
  return { what, ours: median(ours), beside: median(beside), unit, ratio, bar, holds: bar === null || ratio >= bar };
};

/** A value with nothing beside it. */
export const valueRow = (what: string, unit: string, ours: number, bar: number | null = null): BenchRow => ({
  ...{ what, ours, beside: null, unit, ratio: null, bar },
  holds: bar === null || ours <= bar,
});

const number = (value: number | null): string =>
  value === null ? '–' : value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 2 : 0 });

export const printReport = ({ rows, notes, checks }: BenchReport): void => {
  const head = ['what', 'ours', 'beside', 'unit', 'ratio', 'bar', 'holds'];
  const lines = rows.map(({ what, ours, beside, unit, ratio, bar, holds }) => [
    what,
    number(ours),
    number(beside),
    unit,
    number(ratio),
    number(bar),
    holds ? 'yes' : 'NO',
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)));
  for (const line of [head, ...lines]) {
    console.log(line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  }
  for (const note of notes) console.log(note);
  for (const { what, holds } of checks) console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`);
};

/** Writes rows that another program compares. */
export const writeRows = (file: string, rows: readonly BenchRow[]): void =>
  writeFileSync(file, `${JSON.stringify(rows, undefined, 2)}\n`);
