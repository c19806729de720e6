import { type Context, routes, type StreamId, streamId } from '@kontor/event-sourcing';
import { type DeploymentCommand, deploymentCommands } from './commands.js';
import { endpoint, type EndpointState } from './endpoint.js';
import { type DeploymentEvent, deploymentEvents } from './events.js';
import { deploymentReactions } from './reactions.js';
import { type DeploymentRejection, deploymentRejections } from './rejections.js';

type Schemas = typeof deploymentCommands;

/** The stream of an endpoint: `<workspace>/deployment/endpoint/<endpoint>`. */
export const endpointStream = (workspace: string, name: string): StreamId =>
  streamId({ workspace, context: 'deployment', aggregate: 'endpoint', id: name });

const stream = ({ metadata, data }: DeploymentCommand): StreamId => endpointStream(metadata.workspace, data.endpoint);

/** Everything that the deployment context allows. */
export const deployment: Context = {
  name: 'deployment',
  events: deploymentEvents,
  commands: deploymentCommands,
  routes: routes<Schemas>()<EndpointState, DeploymentEvent, DeploymentRejection, keyof Schemas>(endpoint, {
    CreateEndpoint: { stream },
    StageVersion: { stream },
    RequestRollout: { stream },
    StartRollout: {
      stream,
      guards: ({ data }) =>
        data.gate.restsOn.map(({ stream: restsOn, version }) => ({
          stream: restsOn,
          expected: version === '0' ? 'none' : BigInt(version),
        })),
    },
    RefuseRollout: { stream },
    ReportRevisionState: { stream },
    RecordAnalysis: { stream },
    ResumeRollout: { stream },
    AbortRollout: { stream },
    RollBack: { stream },
    SuspendEndpoint: { stream },
    ResumeEndpoint: { stream },
  }),
  upcasters: {},
  reactions: deploymentReactions,
  rejections: deploymentRejections,
};
