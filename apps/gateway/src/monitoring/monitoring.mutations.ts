import type { monitoringCommands } from '@kontor/domain/monitoring';
import type { z } from 'zod';
import type {
  AcknowledgeAlertInput,
  DefineMonitorInput,
  RegisterDataSourceInput,
  RequestBaselineInput,
  RequestEvaluationInput,
  Resolvers,
} from '../graphql/generated/types.js';
import { InputProblem, mutation, withoutCommandId } from '../graphql/mutate.js';
import { readOne } from '../graphql/read.js';
import type { BaselineRow } from './baselines.projection.js';
import {
  alertEntity,
  baselineEntity,
  dataSourceEntity,
  evaluationEntity,
  monitorEntity,
} from './monitoring.entities.js';

type Data<Type extends keyof typeof monitoringCommands> = z.input<(typeof monitoringCommands)[Type]>;

/** Why a monitor cannot have the baseline, or undefined if it can. */
const baselineProblem = (baseline: BaselineRow | undefined): string | undefined => {
  switch (baseline?.state) {
    case undefined:
      return 'is unknown; request one first';
    case 'REQUESTED':
      return 'is still being made; wait until its state is COMPLETED';
    case 'FAILED':
      return `failed (${baseline.failure ?? 'without a reason'}); request another one`;
    case 'COMPLETED':
      return undefined;
  }
};

/** Evaluations, baselines, monitors, data sources and alerts as people change them. */
export const monitoringMutations: Pick<Resolvers, 'Mutation'> = {
  Mutation: {
    requestEvaluation: mutation({
      name: 'RequestEvaluation',
      context: 'monitoring',
      type: 'RequestEvaluation',
      data: (input: RequestEvaluationInput, commandId): Data<'RequestEvaluation'> => ({
        ...withoutCommandId(input),
        compareWith: input.compareWith ?? null,
        evaluationId: commandId,
      }),
      field: 'evaluation',
      entity: evaluationEntity,
      row: ({ evaluationId }) => [evaluationId],
    }),
    requestBaseline: mutation({
      name: 'RequestBaseline',
      context: 'monitoring',
      type: 'RequestBaseline',
      data: (input: RequestBaselineInput, commandId): Data<'RequestBaseline'> => ({
        ...withoutCommandId(input),
        labelColumn: input.labelColumn ?? null,
        baselineId: commandId,
      }),
      field: 'baseline',
      entity: baselineEntity,
      row: ({ baselineId }) => [baselineId],
    }),
    defineMonitor: mutation({
      name: 'DefineMonitor',
      context: 'monitoring',
      type: 'DefineMonitor',
      // What a monitor rests on must be there: without its baseline it would close no window, and without its sources an
      // alert would name nobody. The service holds the baseline still in the append; here people are told which is missing.
      data: async (input: DefineMonitorInput, _id, context): Promise<Data<'DefineMonitor'>> => {
        const { baselineId, dataSourceIds } = input;
        const now = { moment: { position: context.shown } };
        const baseline = await readOne(baselineEntity, [baselineId], now, context);
        const problem = baselineProblem(baseline);
        if (problem !== undefined) {
          throw new InputProblem(`baselineId: the baseline ${JSON.stringify(baselineId)} ${problem}`, ['baselineId']);
        }
        for (const [index, id] of dataSourceIds.entries()) {
          if (await readOne(dataSourceEntity, [id], now, context)) continue;
          const message = `dataSourceIds[${index}]: there is no data source ${JSON.stringify(id)}; register it first`;
          throw new InputProblem(message, ['dataSourceIds', String(index)]);
        }
        return withoutCommandId(input);
      },
      field: 'monitor',
      entity: monitorEntity,
      row: ({ monitorId }) => [monitorId],
    }),
    registerDataSource: mutation({
      name: 'RegisterDataSource',
      context: 'monitoring',
      type: 'RegisterDataSource',
      data: (input: RegisterDataSourceInput): Data<'RegisterDataSource'> => withoutCommandId(input),
      field: 'dataSource',
      entity: dataSourceEntity,
      row: ({ dataSourceId }) => [dataSourceId],
    }),
    acknowledgeAlert: mutation({
      name: 'AcknowledgeAlert',
      context: 'monitoring',
      type: 'AcknowledgeAlert',
      data: async ({ alertId, comment }: AcknowledgeAlertInput, _id, context): Promise<Data<'AcknowledgeAlert'>> => {
        const alert = await readOne(alertEntity, [alertId], undefined, context);
        if (!alert) throw new InputProblem(`alertId: there is no alert ${JSON.stringify(alertId)}`, ['alertId']);
        return { monitorId: alert.monitorId, alertId, comment };
      },
      field: 'alert',
      entity: alertEntity,
      row: ({ alertId }) => [alertId],
    }),
  },
};
