import type { GroupDifference, Performance } from '@kontor/domain/monitoring';
import {
  accuracy,
  type Confusion,
  confusionOf,
  fairnessMetrics,
  groupDifference,
  hanleyMcNeilInterval,
  logLossOf,
  meanInterval,
  rocAuc,
  wilsonInterval,
} from '@kontor/statistics';

/** A row with its label, 0 or 1, and the score of the positive class. */
export interface LabelledRow {
  readonly label: number;
  readonly score: number;
  readonly attributes: Readonly<Record<string, string>>;
}

type Measure = Performance['accuracy'];

const undefinedMeasure = (n: number, reason: string): Measure => ({ value: null, n, low: null, high: null, reason });

/** Accuracy, log loss and ROC AUC with 95 % intervals (Wilson, normal, Hanley-McNeil). */
export const performanceOf = (rows: readonly LabelledRow[]): Performance => {
  const n = rows.length;
  const labels = rows.map(({ label }) => label);
  const scores = rows.map(({ score }) => score);
  const counts = confusionOf(labels, scores);
  const share = accuracy(counts);
  const losses = rows.map(({ label, score }) => logLossOf(label, score));
  const sum = losses.reduce((total, loss) => total + loss, 0);
  const squares = losses.reduce((total, loss) => total + loss * loss, 0);
  const auc = rocAuc(labels, scores);
  const positives = counts.truePositives + counts.falseNegatives;
  const hits = counts.truePositives + counts.trueNegatives;
  return {
    accuracy:
      share === null
        ? undefinedMeasure(n, 'no labelled rows')
        : { value: share, n, ...wilsonInterval({ hits, n }), reason: null },
    logLoss:
      n < 2
        ? undefinedMeasure(n, 'fewer than two labelled rows')
        : { value: sum / n, n, ...meanInterval(n, sum, squares), reason: null },
    rocAuc:
      auc === null
        ? undefinedMeasure(n, 'only one class')
        : { value: auc, n, ...hanleyMcNeilInterval(auc, positives, n - positives), reason: null },
  };
};

/** Groups of an attribute beyond this many are left out, largest first kept: intervals of hundreds say nothing. */
const MAX_GROUPS = 50;

/** Rows by the values of an attribute, largest group first. */
export const groupsOf = (rows: readonly LabelledRow[], attribute: string): Map<string, LabelledRow[]> => {
  const groups = new Map<string, LabelledRow[]>();
  for (const row of rows) {
    const value = row.attributes[attribute];
    if (value === undefined) continue;
    const group = groups.get(value);
    if (group) group.push(row);
    else groups.set(value, [row]);
  }
  return new Map([...groups].sort(([, a], [, b]) => b.length - a.length).slice(0, MAX_GROUPS));
};

/** Counts of each group of an attribute, largest group first. */
export const confusionsOf = (rows: readonly LabelledRow[], attribute: string): Map<string, Confusion> =>
  new Map(
    [...groupsOf(rows, attribute)].map(([group, members]) => [
      group,
      confusionOf(
        members.map(({ label }) => label),
        members.map(({ score }) => score),
      ),
    ]),
  );

/** Differences between the groups of each protected attribute. */
export const fairnessOf = (rows: readonly LabelledRow[], attributes: readonly string[]): GroupDifference[] =>
  attributes.flatMap((attribute) => {
    const confusions = confusionsOf(rows, attribute);
    return fairnessMetrics.map((metric): GroupDifference => {
      const { difference, interval, reason, groups } = groupDifference(metric, confusions);
      const { low = null, high = null } = interval ?? {};
      const value = { value: difference, n: rows.length, low, high, reason };
      return { attribute, metric, difference: value, groups: [...groups] };
    });
  });
