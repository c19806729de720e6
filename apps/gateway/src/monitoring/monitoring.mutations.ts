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
import {
  alertEntity,
  baselineEntity,
  dataSourceEntity,
  evaluationEntity,
  monitorEntity,
} from './monitoring.entities.js';

type Data<Type extends keyof typeof monitoringCommands> = z.input<(typeof monitoringCommands)[Type]>;

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
      data: (input: DefineMonitorInput): Data<'DefineMonitor'> => withoutCommandId(input),
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
