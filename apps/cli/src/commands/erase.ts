import { personStream } from '@kontor/domain/governance';
import type pg from 'pg';
import { z } from 'zod';
import { askGateway } from '../ask-gateway.js';
import { print } from '../print.js';
import { CommandFailed } from '../usage-error.js';
import { exportBundle, requirePlaceFor } from './export.js';

const MUTATION = `mutation Erase($input: EraseSubjectInput!) {
  eraseSubject(input: $input) {
    __typename
    ... on EraseSubjectPayload { erasure { keyVersion erasedAt } }
    ... on Rejection { message }
    ... on ValidationError { message }
    ... on ForbiddenError { message }
    ... on ServiceUnavailableError { message }
  }
}`;

const data = z.object({
  eraseSubject: z.object({
    __typename: z.string(),
    message: z.string().optional(),
    erasure: z.object({ keyVersion: z.int(), erasedAt: z.string() }).nullish(),
  }),
});

/**
 * `kontor erase <person>`: destroys the keys of a person's data. To be repeated after any failure: it goes on where it ended.
 *
 * @param receipt where it is to be: looked at before anything is destroyed
 * @throws CommandFailed if the receipt cannot be written or nothing answers, or with the reason why it is refused
 */
export const erase = async (
  { url, token }: { readonly url: string; readonly token: string },
  input: { readonly subjectId: string; readonly ground: string },
  receipt: string,
): Promise<void> => {
  await requirePlaceFor(receipt);
  const { subjectId } = input;
  const { eraseSubject } = await askGateway({ url, token, query: MUTATION, variables: { input }, data });
  const { __typename: outcome, erasure, message } = eraseSubject;
  if (outcome === 'ServiceUnavailableError')
    throw new CommandFailed(`whether ${subjectId} was erased is not known: ${message ?? ''}; send it again`);
  if (!erasure) throw new CommandFailed(`${subjectId} is not erased: ${message ?? 'no reason was given'}`);
  print(`${subjectId} was erased at ${erasure.erasedAt}: keys up to version ${erasure.keyVersion} are destroyed`);
};

/**
 * The receipt: the events of the person's erasures with their inclusion proofs under the signed checkpoint, for kontor-verify.
 *
 * @throws CommandFailed as {@link exportBundle} does; the erasure has happened then, and `kontor erase` again writes the receipt
 */
export const writeReceipt = (
  pool: pg.Pool,
  { workspace, subjectId }: { readonly workspace: string; readonly subjectId: string },
  options: Omit<Parameters<typeof exportBundle>[1], 'selection'>,
): Promise<void> => {
  const streams = [personStream(workspace, subjectId)];
  return exportBundle(pool, { ...options, selection: { streams, isWithoutEvents: false, since: [] } });
};
