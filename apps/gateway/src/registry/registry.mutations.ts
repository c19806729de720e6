import type { registryCommands } from '@kontor/domain/registry';
import type { z } from 'zod';
import type { GraphContext } from '../graphql/context.js';
import type {
  ChangeStageInput,
  ProtectAliasInput,
  RedeliverWebhookInput,
  RemoveAliasInput,
  Resolvers,
  SetAliasInput,
} from '../graphql/generated/types.js';
import { InputProblem, mutation } from '../graphql/mutate.js';
import { modelVersionEntity, registeredModelEntity, webhookEntity } from './registry.entities.js';
import { modelByName } from './registry.resolver.js';
import { undoMutation } from './undo.js';

type Data<Type extends keyof typeof registryCommands> = z.input<(typeof registryCommands)[Type]>;

const modelIdOf = async (modelName: string, context: GraphContext): Promise<string> => {
  const model = await modelByName(modelName, undefined, context);
  if (model) return model.modelId;
  throw new InputProblem(`modelName: there is no registered model ${JSON.stringify(modelName)}`, ['modelName']);
};

const ofAlias = {
  context: 'registry',
  data: async ({ modelName, alias }: ProtectAliasInput, _id: string, context: GraphContext) => ({
    modelId: await modelIdOf(modelName, context),
    alias,
  }),
  field: 'registeredModel',
  entity: registeredModelEntity,
  row: ({ modelId }: { readonly modelId: string }) => [modelId],
} as const;

/** Aliases and stages as people change them, what undoes a change, and webhooks that are called again. */
export const registryMutations: Pick<Resolvers, 'Mutation'> = {
  Mutation: {
    setAlias: mutation({
      name: 'SetAlias',
      context: 'registry',
      type: 'SetAlias',
      data: async ({ modelName, alias, version, reason }: SetAliasInput, _id, context): Promise<Data<'SetAlias'>> => ({
        modelId: await modelIdOf(modelName, context),
        alias,
        version,
        reason: reason ?? undefined,
      }),
      field: 'registeredModel',
      entity: registeredModelEntity,
      row: ({ modelId }) => [modelId],
    }),
    removeAlias: mutation({
      name: 'RemoveAlias',
      context: 'registry',
      type: 'RemoveAlias',
      data: async ({ modelName, alias, reason }: RemoveAliasInput, _id, context): Promise<Data<'RemoveAlias'>> => ({
        modelId: await modelIdOf(modelName, context),
        alias,
        reason: reason ?? undefined,
      }),
      field: 'registeredModel',
      entity: registeredModelEntity,
      row: ({ modelId }) => [modelId],
    }),
    protectAlias: mutation({ ...ofAlias, name: 'ProtectAlias', type: 'ProtectAlias' }),
    unprotectAlias: mutation({ ...ofAlias, name: 'UnprotectAlias', type: 'UnprotectAlias' }),
    undo: undoMutation,
    changeStage: mutation({
      name: 'ChangeStage',
      context: 'registry',
      type: 'ChangeStage',
      data: async (
        { modelName, version, stage, archiveExistingVersions }: ChangeStageInput,
        _id,
        context,
      ): Promise<Data<'ChangeStage'>> => ({
        modelId: await modelIdOf(modelName, context),
        version,
        stage,
        archiveExistingVersions: archiveExistingVersions ?? false,
      }),
      field: 'modelVersion',
      entity: modelVersionEntity,
      row: ({ modelId, version }) => [modelId, version],
    }),
    redeliverWebhook: mutation({
      name: 'RedeliverWebhook',
      context: 'registry',
      type: 'RedeliverWebhook',
      data: async (
        { webhookId, deliveryId }: RedeliverWebhookInput,
        _id,
        { workspace, deliveries },
      ): Promise<Data<'RedeliverWebhook'>> => {
        const delivery = await deliveries.byId(workspace, deliveryId);
        if (delivery?.webhookId !== webhookId || delivery?.position === null)
          throw new InputProblem(`deliveryId: the webhook has no delivery ${JSON.stringify(deliveryId)} of an event`, [
            'deliveryId',
          ]);
        return { webhookId, deliveryId };
      },
      field: 'webhook',
      entity: webhookEntity,
      row: ({ webhookId }) => [webhookId],
    }),
  },
};
