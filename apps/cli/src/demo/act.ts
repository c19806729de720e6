import { StoryBroken } from './narrator.js';
import type { Visitor } from './doors.js';

interface Outcome {
  readonly __typename: string;
  readonly position?: string;
  readonly message?: string;
  readonly rejection?: string;
}

/** What came of a mutation: its payload, or why it was not allowed. */
export type Act<Payload> =
  | ({ readonly accepted: true; readonly position: string } & Payload)
  | { readonly accepted: false; readonly message: string; readonly rejection: string };

const capital = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

/**
 * Does something in somebody's name.
 *
 * @param mutation for example `requestRollout`; the names of its input and payload follow from it.
 * @param selection what is read of the payload.
 */
export const tryTo = async <Payload = object>(
  visitor: Visitor,
  mutation: string,
  input: Readonly<Record<string, unknown>>,
  selection = '',
): Promise<Act<Payload>> => {
  const name = capital(mutation);
  const query = `mutation($input: ${name}Input!) {
    ${mutation}(input: $input) {
      __typename
      ... on ${name}Payload { position ${selection} }
      ... on Problem { message }
      ... on Rejection { rejection }
    }
  }`;
  const answer = await visitor.graphql<Record<string, Outcome & Payload>>(query, { input });
  const outcome = answer[mutation];
  if (outcome?.__typename === `${name}Payload`) return { ...outcome, accepted: true, position: outcome.position ?? '' };
  const { message = '', rejection = outcome?.__typename ?? '' } = outcome ?? {};
  return { accepted: false, message, rejection };
};

/** As {@link tryTo}. @throws StoryBroken if it was not allowed. */
export const doIt = async <Payload = object>(
  visitor: Visitor,
  mutation: string,
  input: Readonly<Record<string, unknown>>,
  selection = '',
): Promise<Payload & { readonly position: string }> => {
  const act = await tryTo<Payload>(visitor, mutation, input, selection);
  if (!act.accepted) throw new StoryBroken(`${visitor.name} may ${mutation}`, `${act.rejection}: ${act.message}`);
  return act;
};
