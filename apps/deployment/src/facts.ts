import { deletedVersions, endpoint, endpointStream, isDeleted } from '@kontor/domain/deployment';
import { streamId } from '@kontor/event-sourcing';
import type { FindFacts } from '@kontor/service';

/**
 * Whether the version of a rollout was deleted since it was requested. The guard lets the rollout not start if that changes
 * before the append; the registry guards its deletions with the streams of the endpoints.
 */
const findDeleted: FindFacts = async ({ data, metadata: { workspace } }, read) => {
  const { endpoint: name } = data as { readonly endpoint: string };
  const { state } = await read(endpointStream(workspace, name), endpoint);
  const plan = state.status === 'None' ? undefined : state.rollout?.plan;
  if (plan?.modelId === undefined) return { data: { versionDeleted: false } };
  const stream = streamId({ workspace, context: 'registry', aggregate: 'registered-model', id: plan.modelId });
  const { state: deleted, version } = await read(stream, deletedVersions);
  const guards = [{ stream, expected: version === 0n ? ('none' as const) : version }];
  return { data: { versionDeleted: isDeleted(deleted, plan.version.version) }, guards };
};

/** What commands of the deployment context rest on beside their own stream, read from the log. */
export const deploymentFacts = (): Readonly<Record<string, FindFacts>> => ({ StartRollout: findDeleted });
