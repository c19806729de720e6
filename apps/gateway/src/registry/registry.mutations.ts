import type { registryCommands } from '@kontor/domain/registry';
import type { z } from 'zod';
import type { GraphContext } from '../graphql/context.js';
import type { ChangeStageInput, RemoveAliasInput, Resolvers, SetAliasInput } from '../graphql/generated/types.js';
import { InputProblem, mutation } from '../graphql/mutate.js';
import { modelVersionEntity, registeredModelEntity } from './registry.entities.js';
import { modelByName } from './registry.resolver.js';

type Data<Type extends keyof typeof registryCommands> = z.input<(typeof registryCommands)[Type]>;

const modelIdOf = async (modelName: string, context: GraphContext): Promise<string> => {
  const model = await modelByName(modelName, undefined, context);
  if (model) return model.modelId;
  throw new InputProblem(`modelName: there is no registered model ${JSON.stringify(modelName)}`, ['modelName']);
};

/** Aliases and stages as people change them. */
export const registryMutations: Pick<Resolvers, 'Mutation'> = {
  Mutation: {
    setAlias: mutation({
      name: 'SetAlias',
      context: 'registry',
      type: 'SetAlias',
      data: async ({ modelName, alias, version }: SetAliasInput, _id, context): Promise<Data<'SetAlias'>> => ({
        modelId: await modelIdOf(modelName, context),
        alias,
        version,
      }),
      field: 'registeredModel',
      entity: registeredModelEntity,
      row: ({ modelId }) => [modelId],
    }),
    removeAlias: mutation({
      name: 'RemoveAlias',
      context: 'registry',
      type: 'RemoveAlias',
      data: async ({ modelName, alias }: RemoveAliasInput, _id, context): Promise<Data<'RemoveAlias'>> => ({
        modelId: await modelIdOf(modelName, context),
        alias,
      }),
      field: 'registeredModel',
      entity: registeredModelEntity,
      row: ({ modelId }) => [modelId],
    }),
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
  },
};
