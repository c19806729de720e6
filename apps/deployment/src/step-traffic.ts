import {
  type ActiveStep,
  agrees,
  emptyMeasurement,
  latencyBin,
  type RevisionMeasurement,
  scoreBin,
} from '@kontor/domain/deployment';
import type { InferenceRecord, LabelRecord } from '@kontor/domain/monitoring';

/** Predictions that may still get a label: about 20 MB of single-row requests; older ones go first. */
const MAX_UNLABELLED = 100_000;

/** The counts of one step: what canary and stable did since its weight was set. Rebuilt from the stream at any time. */
export class StepTraffic {
  readonly canary: RevisionMeasurement = emptyMeasurement();
  readonly stable: RevisionMeasurement | null;
  readonly #unlabelled = new Map<string, { readonly arm: RevisionMeasurement; readonly scores: number[] }>();

  constructor(private readonly step: Pick<ActiveStep, 'canary' | 'stable'>) {
    this.stable = step.stable === null ? null : emptyMeasurement();
  }

  /** Counts a request of one of the two revisions; others have nothing to do with the rollout. */
  addRecord(record: InferenceRecord): void {
    const arm = this.#arm(record.revisionId);
    if (!arm) return;
    arm.requests += 1;
    arm.rows += record.rows;
    arm.nonFiniteOutputs += record.nonFiniteOutputs;
    if (record.errorStatus !== 0) {
      arm.errors += 1;
      return;
    }
    increment(arm.latencyCounts, latencyBin(record.latencyMs));
    for (const score of record.scores) increment(arm.scoreCounts, scoreBin(score));
    this.#unlabelled.set(record.predictionId, { arm, scores: [...record.scores] });
    if (this.#unlabelled.size > MAX_UNLABELLED) {
      const oldest = this.#unlabelled.keys().next();
      if (!oldest.done) this.#unlabelled.delete(oldest.value);
    }
  }

  /** Counts the first label of a row of this step; corrections and labels of earlier traffic are the monitors' concern. */
  addLabel({ predictionId, row, value }: LabelRecord): void {
    const prediction = this.#unlabelled.get(predictionId);
    const score = prediction?.scores[row];
    if (!prediction || score === undefined || Number.isNaN(score)) return;
    prediction.scores[row] = Number.NaN;
    prediction.arm.labels += 1;
    if (agrees(score, Number(value))) prediction.arm.correct += 1;
  }

  #arm(revisionId: string): RevisionMeasurement | null {
    if (revisionId === this.step.canary) return this.canary;
    return revisionId === this.step.stable ? this.stable : null;
  }
}

const increment = (counts: number[], bin: number): void => {
  counts[bin] = (counts[bin] ?? 0) + 1;
};
