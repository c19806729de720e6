import { personStream } from '@kontor/domain/governance';
import type pg from 'pg';
import { z } from 'zod';
import { print } from '../print.js';
import { CommandFailed } from '../usage-error.js';
import { exportBundle } from './export.js';

const MUTATION = `mutation Erase($input: EraseSubjectInput!) {
  eraseSubject(input: $input) {
    __typename
    ... on EraseSubjectPayload { position erasure { keyVersion erasedAt } }
    ... on Rejection { message }
    ... on ValidationError { message }
    ... on ForbiddenError { message }
    ... on ServiceUnavailableError { message }
  }
}`;

const REQUEST_TIMEOUT_MS = 30_000;

const answer = z.object({
  data: z
    .object({
      eraseSubject: z.object({
        message: z.string().optional(),
        position: z.string().optional(),
        erasure: z.object({ keyVersion: z.int(), erasedAt: z.string() }).nullish(),
      }),
    })
    .nullish(),
  errors: z.array(z.looseObject({ message: z.string() })).optional(),
});

export interface EraseOptions {
  /** Of the gateway's GraphQL. */
  readonly url: string;
  readonly token: string;
  readonly workspace: string;
  readonly subjectId: string;
  readonly ground: string;
}

/**
 * `kontor erase <person>`: destroys the keys of a person's data. To be repeated after any failure: it goes on where it ended.
 *
 * @throws CommandFailed if nothing answers, or with the reason why it is refused
 */
export const erase = async ({ url, token, subjectId, ground }: EraseOptions): Promise<void> => {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const body = JSON.stringify({ query: MUTATION, variables: { input: { subjectId, ground } } });
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const response = await fetch(url, { method: 'POST', headers, body, signal }).catch((cause: unknown) => {
    throw new CommandFailed(`${url} does not answer`, { cause });
  });
  const text = await response.text();
  const parsed = answer.safeParse(
    response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : undefined,
  );
  if (!parsed.success) throw new CommandFailed(`${url} answered ${response.status}: ${text.slice(0, 500)}`);
  const { data, errors } = parsed.data;
  if (!data)
    throw new CommandFailed(errors?.map(({ message }) => message).join('\n') ?? `${url} answered without data`);
  const { erasure, message } = data.eraseSubject;
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
  { workspace, subjectId }: Pick<EraseOptions, 'workspace' | 'subjectId'>,
  options: Omit<Parameters<typeof exportBundle>[1], 'selection'>,
): Promise<void> => {
  const streams = [personStream(workspace, subjectId)];
  return exportBundle(pool, { ...options, selection: { streams, isWithoutEvents: false, since: [] } });
};
