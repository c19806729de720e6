import { StoryBroken } from './narrator.js';
import { v7 as uuidv7 } from 'uuid';
import type { Visitor } from './doors.js';

interface Outcome {
  readonly __typename: string;
  readonly position?: string;
  readonly message?: string;
  readonly rejection?: string;
}

/** A service that was killed is back within seconds. */
const MAX_TRIES = 60;
const RETRY_MS = 500;

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
  // One command id for all tries: whatever happened to the first, the last one changes nothing more.
  const variables = { input: { clientMutationId: uuidv7(), ...input } };
  let outcome: (Outcome & Payload) | undefined;
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    outcome = (await visitor.graphql<Record<string, Outcome & Payload>>(query, variables))[mutation];
    if (outcome?.__typename !== 'ServiceUnavailableError') break;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
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
