import type { GraphContext } from '../graphql/context.js';
import { readAll, readOne } from '../graphql/read.js';
import { baselineEntity, monitorEntity } from '../monitoring/monitoring.entities.js';
import { type LabelBatch, type LabelProblem, problemOf } from './label-batch.js';

/**
 * Why nothing would become of labels: monitoring keeps those of endpoints that a monitor watches, and sets them beside the
 * label column of its baseline. A monitor whose baseline has none takes labels of any name.
 */
export const unexpected = async (
  { endpoint, labelName }: LabelBatch,
  context: GraphContext,
): Promise<LabelProblem | undefined> => {
  const monitors = await readAll(monitorEntity, { endpoint }, undefined, context);
  if (monitors.length === 0) {
    const watched = (await readAll(monitorEntity, {}, undefined, context)).map((monitor) => monitor.endpoint);
    const allowed = watched.length > 0 ? `allowed are ${listed(watched)}` : 'none is watched yet: define one first';
    return problemOf('endpoint', `no monitor watches ${JSON.stringify(endpoint)}; ${allowed}`);
  }
  const baselines = await Promise.all(
    monitors.map(({ baselineId }) => readOne(baselineEntity, [baselineId], undefined, context)),
  );
  const columns = baselines.map((baseline) => baseline?.labelColumn ?? labelName);
  if (columns.includes(labelName)) return undefined;
  const wrong = `no baseline of a monitor of ${endpoint} has the label column ${JSON.stringify(labelName)}`;
  return problemOf('labelName', `${wrong}; allowed are ${listed(columns)}`);
};

const listed = (names: readonly string[]): string => [...new Set(names)].sort().join(', ');
