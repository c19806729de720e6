import { endpointEntity } from '../deployment/deployment.entities.js';
import type { GraphContext } from '../graphql/context.js';
import { readAll, readOne } from '../graphql/read.js';
import { baselineEntity, monitorEntity } from '../monitoring/monitoring.entities.js';
import { type LabelBatch, type LabelProblem, problemOf } from './label-batch.js';

/**
 * Why nothing would become of labels. Those of an endpoint are counted by the guards of its rollouts, whatever their name, and a
 * monitor sets them beside the label column of its baseline; one whose baseline has none takes labels of any name.
 */
export const unexpected = async (
  { endpoint, labelName }: LabelBatch,
  context: GraphContext,
): Promise<LabelProblem | undefined> => {
  const monitors = await readAll(monitorEntity, { endpoint }, undefined, context);
  if (monitors.length === 0) {
    if (await readOne(endpointEntity, [endpoint], undefined, context)) return undefined;
    const allowed = 'allowed is the name of an endpoint or of what a monitor watches';
    return problemOf('endpoint', `there is no endpoint ${JSON.stringify(endpoint)}; ${allowed}`);
  }
  const baselines = await Promise.all(
    monitors.map(({ baselineId }) => readOne(baselineEntity, [baselineId], undefined, context)),
  );
  const columns = baselines.map((baseline) => baseline?.labelColumn ?? labelName);
  if (columns.includes(labelName)) return undefined;
  const wrong = `no baseline of a monitor of ${endpoint} has the label column ${JSON.stringify(labelName)}`;
  return problemOf('labelName', `${wrong}; allowed are ${[...new Set(columns)].sort().join(', ')}`);
};
