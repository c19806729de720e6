import type { deploymentCommands } from '@kontor/domain/deployment';
import type { z } from 'zod';
import type { GraphContext } from '../graphql/context.js';
import type {
  AbortRolloutInput,
  CreateEndpointInput,
  RequestRolloutInput,
  Resolvers,
  ResumeEndpointInput,
  ResumeRolloutInput,
  RollBackInput,
  SuspendEndpointInput,
} from '../graphql/generated/types.js';
import { InputProblem, mutation, withoutCommandId } from '../graphql/mutate.js';
import { versionByName } from '../registry/registry.resolver.js';
import { endpointEntity, rolloutEntity } from './deployment.entities.js';

type Data<Type extends keyof typeof deploymentCommands> = z.input<(typeof deploymentCommands)[Type]>;

const requestRollout = async (
  { endpoint, modelName, version, strategy }: RequestRolloutInput,
  commandId: string,
  context: GraphContext,
): Promise<Data<'RequestRollout'>> => {
  const registered = await versionByName({ modelName, version }, undefined, context);
  if (!registered || registered.deleted) {
    throw new InputProblem(`version: there is no version ${version} of ${JSON.stringify(modelName)}`, ['version']);
  }
  const { artifacts } = registered;
  if (!artifacts?.servable) {
    const problem = `version: ${modelName} ${version} has no file that can be served: exactly one model.onnx or decision-table.json`;
    throw new InputProblem(problem, ['version']);
  }
  const { manifestDigest, servable, files } = artifacts;
  return {
    rolloutId: commandId,
    endpoint,
    version: { modelName, version, manifestDigest },
    modelId: registered.modelId,
    servable,
    files: files.map((file) => ({ ...file })),
    strategy: { steps: strategy.steps.map((step) => ({ ...step })) },
  };
};

const toEndpoint = {
  context: 'deployment',
  field: 'endpoint',
  entity: endpointEntity,
  row: ({ endpoint }: { endpoint: string }) => [endpoint],
} as const;
const toRollout = {
  context: 'deployment',
  field: 'rollout',
  entity: rolloutEntity,
  row: ({ rolloutId }: { rolloutId: string | null }) => [rolloutId ?? ''],
} as const;

/** Endpoints and rollouts as people change them. */
export const deploymentMutations: Pick<Resolvers, 'Mutation'> = {
  Mutation: {
    createEndpoint: mutation({
      ...toEndpoint,
      name: 'CreateEndpoint',
      type: 'CreateEndpoint',
      data: (input: CreateEndpointInput): Data<'CreateEndpoint'> => withoutCommandId(input),
    }),
    requestRollout: mutation({ ...toRollout, name: 'RequestRollout', type: 'RequestRollout', data: requestRollout }),
    abortRollout: mutation({
      ...toRollout,
      name: 'AbortRollout',
      type: 'AbortRollout',
      data: (input: AbortRolloutInput): Data<'AbortRollout'> => withoutCommandId(input),
    }),
    resumeRollout: mutation({
      ...toRollout,
      name: 'ResumeRollout',
      type: 'ResumeRollout',
      data: (input: ResumeRolloutInput): Data<'ResumeRollout'> => withoutCommandId(input),
    }),
    rollBack: mutation({
      ...toEndpoint,
      name: 'RollBack',
      type: 'RollBack',
      data: (input: RollBackInput): Data<'RollBack'> => withoutCommandId(input),
    }),
    suspendEndpoint: mutation({
      ...toEndpoint,
      name: 'SuspendEndpoint',
      type: 'SuspendEndpoint',
      data: (input: SuspendEndpointInput): Data<'SuspendEndpoint'> => withoutCommandId(input),
    }),
    resumeEndpoint: mutation({
      ...toEndpoint,
      name: 'ResumeEndpoint',
      type: 'ResumeEndpoint',
      data: (input: ResumeEndpointInput): Data<'ResumeEndpoint'> => withoutCommandId(input),
    }),
  },
};
