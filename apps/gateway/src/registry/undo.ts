import { parsePosition, parseStreamId, type RecordedEvent } from '@kontor/event-sourcing';
import type { SendResult } from '../commands/command-client.js';
import type { GraphContext } from '../graphql/context.js';
import type { UndoInput } from '../graphql/generated/types.js';
import { requestError } from '../graphql/errors.js';
import { carryOut, InputProblem, type ProblemResult } from '../graphql/mutate.js';
import { toEvent } from '../log/log.resolvers.js';

interface UndoCommand {
  readonly type: string;
  readonly data: object;
}

/** The command that undoes an event's command; undefined where the registry undoes nothing. */
const undoOf = ({ streamId, position: at }: RecordedEvent): UndoCommand | undefined => {
  const { context, aggregate, id } = parseStreamId(streamId);
  if (context !== 'registry') return undefined;
  const position = String(at);
  switch (aggregate) {
    case 'experiment':
      return { type: 'UndoExperiment', data: { experimentId: id, position } };
    case 'run':
      return { type: 'UndoRun', data: { runId: id, position } };
    case 'logged-model':
      return { type: 'UndoLoggedModel', data: { loggedModelId: id, position } };
    case 'registered-model':
      return { type: 'UndoRegisteredModel', data: { modelId: id, position } };
    case 'model-version': {
      const dash = id.lastIndexOf('-');
      const [modelId, version] = [id.slice(0, dash), Number(id.slice(dash + 1))];
      return { type: 'UndoModelVersion', data: { modelId, version, position } };
    }
    default:
      return undefined;
  }
};

const named = async (position: string, { log, workspace }: GraphContext) => {
  const events = await log.commandAt(workspace, parsePosition(position) ?? 0n);
  const command = events[0] && undoOf(events[0]);
  return command && { events: events.map(toEvent), command };
};

interface Problem {
  readonly type: string;
  readonly reason: string;
  readonly isConflict: boolean;
}
interface Change {
  readonly type: string;
  readonly data: unknown;
}

/** What undoing would do, as the service says it that would do it. */
export const previewUndo = async (position: string, context: GraphContext) => {
  const found = await named(position, context);
  if (!found) return null;
  const { events, command } = found;
  const { commands, principal, correlationId } = context;
  const reply = await commands.send({ context: 'registry', ...command, principal, correlationId, dryRun: true });
  switch (reply.outcome) {
    case 'accepted':
      return { events, changes: (reply.events ?? []) as readonly Change[], problems: [] };
    case 'rejected': {
      // A refusal without a list of its own stands in the way of all of it.
      const whole = events.map(({ type }) => ({ type, reason: reply.message, isConflict: false }));
      const { problems = whole, changes = [] } = reply.details as {
        readonly problems?: readonly Problem[];
        readonly changes?: readonly Change[];
      };
      return { events, changes, problems };
    }
    case 'failed':
      throw failureOf(reply);
  }
};

type Failed = Extract<SendResult, { readonly outcome: 'failed' }>;

const failureOf = ({ code, message, correlationId }: Failed): Error => {
  if (code === 'FORBIDDEN') return requestError('FORBIDDEN', message);
  if (code === 'UNAVAILABLE') return requestError('SERVICE_UNAVAILABLE', message);
  return new Error(`the registry failed: ${code} ${message} (${correlationId})`);
};

interface UndoPayload {
  readonly __typename: 'UndoPayload';
  readonly position: string;
  readonly eventIds: readonly string[];
  readonly clientMutationId: string | null;
  readonly events: readonly ReturnType<typeof toEvent>[];
}

/** The resolver of the mutation: as every other one, but what it changes is known only when it is done. */
export const undoMutation = async (
  _parent: unknown,
  { input }: { input: UndoInput },
  context: GraphContext,
): Promise<UndoPayload | ProblemResult> => {
  const { position: at } = input;
  const command = async () => {
    const found = await named(at, context);
    if (found) return { context: 'registry' as const, ...found.command };
    const problem = `position: at ${at} is no event of a run, an experiment, a model or a version`;
    throw new InputProblem(problem, ['position']);
  };
  const done = await carryOut(input, command, context);
  if ('__typename' in done) return done;
  const { position, eventIds } = done.result;
  const events = eventIds.length === 0 ? [] : await context.log.commandAt(context.workspace, done.position);
  return {
    __typename: 'UndoPayload',
    position,
    eventIds,
    clientMutationId: input.clientMutationId ?? null,
    events: events.map(toEvent),
  };
};
