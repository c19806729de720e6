import { createHash } from 'node:crypto';
import { labelSubject } from '@kontor/messaging';
import { canonicalize } from '@kontor/service/process';
import { jetstream } from '@nats-io/jetstream';
import { Body, Controller, HttpException, Inject, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { GraphQLError } from 'graphql';
import { newCommandId } from '../commands/command-client.js';
import { idempotencyKey, IdempotencyKeyInvalid, KEY_USED, KEY_USED_MESSAGE } from '../commands/idempotency-key.js';
import { isDatabaseAway } from '../database-away.js';
import type { Gateway } from '../gateway.js';
import { GATEWAY } from '../gateway.token.js';
import { statusOf } from '../graphql/errors.js';
import { principalOf } from '../http-door.js';
import { unexpected } from './expected-labels.js';
import { type LabelProblem, labelRecords } from './label-batch.js';

/** One message of JetStream holds at most 1 MiB; a label has some 200 bytes. */
const LABELS_PER_MESSAGE = 2_000;

const refused = (problem: Partial<LabelProblem>): HttpException =>
  new HttpException({ error_code: 'INVALID_PARAMETER_VALUE', ...problem }, 400);

/** @throws HttpException for rows that cannot be read now, and for a workspace in which nobody may write */
const notReadable = (error: unknown): never => {
  if (isDatabaseAway(error)) {
    const message = 'The database cannot be reached at the moment; the batch can be sent again.';
    throw new HttpException({ error_code: 'UNAVAILABLE', message }, 503);
  }
  if (!(error instanceof GraphQLError)) throw error;
  throw new HttpException({ error_code: error.extensions['code'], message: error.message }, statusOf(error));
};

/** @throws HttpException for a key that the log would not remember */
const commandIdOf = ({ headers }: FastifyRequest): string => {
  try {
    return idempotencyKey(headers) ?? newCommandId();
  } catch (error) {
    if (!(error instanceof IdempotencyKeyInvalid)) throw error;
    throw refused({ message: error.message });
  }
};

/** Labels that became known later. All or nothing: a batch with one bad label is refused and names it. */
@Controller()
export class GroundTruthController {
  constructor(@Inject(GATEWAY) private readonly gateway: Gateway) {}

  @Post('/v1/ground-truth')
  async receive(@Req() request: FastifyRequest, @Body() body: unknown): Promise<object> {
    const principal = principalOf(request);
    const parsed = labelRecords(body, principal.workspace);
    if ('problem' in parsed) throw refused(parsed.problem);
    const { batch, records } = parsed;
    const commandId = commandIdOf(request);
    const context = this.gateway.contextFor(principal);
    const problem = await context.then((ready) => unexpected(batch, ready)).catch(notReadable);
    if (problem) throw refused(problem);
    const digest = `sha256:${createHash('sha256').update(canonicalize(records)).digest('hex')}`;
    const { endpoint, labelName, source } = batch;
    // The log first: it refuses who may not send. Labels are telemetry and count once per prediction
    // and revision, so sending the batch again after a failure in between is safe.
    const result = await this.gateway.commands.send({
      context: 'monitoring',
      type: 'ReceiveGroundTruth',
      data: { batchId: commandId, endpoint, labelName, labels: records.length, digest, source },
      principal,
      commandId,
    });
    if (result.outcome === 'rejected') {
      const message = result.code === KEY_USED ? KEY_USED_MESSAGE : result.message;
      throw new HttpException({ error_code: 'RESOURCE_CONFLICT', message, rejection: result.code }, 409);
    }
    if (result.outcome === 'failed') {
      throw new HttpException({ error_code: result.code, message: result.message }, STATUS[result.code]);
    }
    const stream = jetstream(this.gateway.nats);
    for (let from = 0; from < records.length; from += LABELS_PER_MESSAGE) {
      const part = JSON.stringify(records.slice(from, from + LABELS_PER_MESSAGE));
      await stream.publish(labelSubject(principal.workspace, endpoint), part, { msgID: `${commandId}-${from}` });
    }
    return { batchId: commandId, labels: records.length, digest, position: result.position };
  }
}

const STATUS = { UNAVAILABLE: 503, INTERNAL: 500, INVALID: 400, UNAUTHENTICATED: 401, FORBIDDEN: 403 } as const;
