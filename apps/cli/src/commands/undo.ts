import { z } from 'zod';
import { askGateway } from '../ask-gateway.js';
import { print } from '../print.js';
import { CommandFailed } from '../usage-error.js';

/** The gateway's GraphQL, with a token of whoever undoes. */
export interface Door {
  readonly url: string;
  readonly token: string;
}

const PREVIEW = `query Preview($position: LogPosition!) {
  undoPreview(position: $position) {
    events { position type actor recordedAt data }
    changes { type data }
    problems { type reason }
  }
}`;

const MUTATION = `mutation Undo($input: UndoInput!) {
  undo(input: $input) {
    __typename
    ... on UndoPayload { events { position type data } }
    ... on Problem { message }
  }
}`;

const change = z.object({ type: z.string(), data: z.unknown() });
const preview = z.object({
  undoPreview: z
    .object({
      events: z.array(change.extend({ position: z.string(), actor: z.string(), recordedAt: z.string() })),
      changes: z.array(change),
      problems: z.array(z.object({ type: z.string(), reason: z.string() })),
    })
    .nullable(),
});
const done = z.object({
  undo: z.object({
    __typename: z.string(),
    message: z.string().optional(),
    events: z.array(change.extend({ position: z.string() })).optional(),
  }),
});

const shown = ({ type, data }: z.output<typeof change>): string => `${type} ${JSON.stringify(data)}`;

/**
 * `kontor undo <position>`: shows what the command of an event recorded and what would undo it; with `yes` it does that.
 *
 * @throws CommandFailed if there is no such event, or with everything that stands in the way
 */
export const undo = async (door: Door, position: string, { yes }: { readonly yes: boolean }): Promise<void> => {
  const { undoPreview: found } = await askGateway({ ...door, query: PREVIEW, variables: { position }, data: preview });
  if (!found) throw new CommandFailed(`at ${position} is no event of a run, an experiment, a model or a version`);
  const { events, changes, problems } = found;
  const [first] = events;
  print(`recorded by ${first?.actor ?? ''} at ${first?.recordedAt ?? ''}:`);
  for (const event of events) print(`  ${event.position}  ${shown(event)}`);
  if (problems.length > 0) {
    const reasons = problems.map(({ type, reason }) => `  ${type}: ${reason}`);
    throw new CommandFailed(`it cannot be undone, and nothing was changed\n${reasons.join('\n')}`);
  }
  if (!yes) {
    print('undoing would record:');
    for (const one of changes) print(`  ${shown(one)}`);
    print('nothing was changed; kontor undo --yes does it');
    return;
  }
  const answer = await askGateway({ ...door, query: MUTATION, variables: { input: { position } }, data: done });
  const { message, events: recorded } = answer.undo;
  if (!recorded) throw new CommandFailed(`nothing was changed: ${message ?? answer.undo.__typename}`);
  print('undone:');
  for (const event of recorded) print(`  ${event.position}  ${shown(event)}`);
};
