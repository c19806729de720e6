import { parsePosition, type Position } from '@kontor/event-sourcing';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GraphQLError } from 'graphql';
import { z } from 'zod';
import { decodeTokens, encodeToken } from '../graphql/consistency.js';
import type { LogReader, NamedMoment } from '../log/log-reader.js';
import type { Asked, MlflowCall } from './call.js';
import { invalid, MlflowError } from './errors.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a route of the MLflow face does. Absent where it does nothing. */
    readonly access?: 'read' | 'write';
    /** As an endpoint says it. */
    readonly expires?: boolean;
  }
}

const HEADER = 'Kontor-As-Of';
const PARAMETER = 'as_of';
const TOKEN_HEADER = 'Kontor-Consistency';

const rfc3339 = z.iso.datetime({ offset: true });

/** The moment that a request names, and where. */
const named = ({ headers, url }: FastifyRequest): { readonly text: string; readonly where: string } | undefined => {
  const header = headers[HEADER.toLowerCase()];
  const texts = new URLSearchParams(url.split('?', 2)[1] ?? '').getAll(PARAMETER);
  // Node joins headers of one name with commas, and no moment has one.
  if (header !== undefined) texts.push(String(header));
  const [text, ...others] = texts;
  if (text === undefined) return undefined;
  const where = header === undefined ? PARAMETER : HEADER;
  if (others.some((other) => other !== text)) throw invalid(`${where}: the request names more than one moment`);
  return { text, where };
};

const toMoment = (text: string): NamedMoment | undefined => {
  const position = parsePosition(text);
  if (position !== undefined) return { position };
  return rfc3339.safeParse(text).success ? { time: text } : undefined;
};

/** What a reader may ask about, in words. */
const allowed = async (log: LogReader): Promise<string> => {
  const [head, begunAt] = await Promise.all([log.head(), log.begunAt()]);
  if (begunAt === undefined) return 'nothing has been recorded yet';
  return `allowed are positions from 1 to ${head} and times of RFC 3339 from ${begunAt} to now`;
};

const MISSED: Readonly<Record<string, string>> = {
  POSITION_BEFORE_FIRST: 'is before the first event',
  POSITION_IN_FUTURE: 'is in the future',
  TIME_BEFORE_FIRST: 'is before the first event',
  TIME_IN_FUTURE: 'is in the future',
};

/** An error of the log's reader in MLflow's words. */
const fromRequestError = (error: GraphQLError): MlflowError =>
  error.extensions['code'] === 'CONSISTENCY_TIMEOUT'
    ? new MlflowError('TEMPORARILY_UNAVAILABLE', error.message, { retryAfterSeconds: 1 })
    : invalid(error.message);

/** Headers are bytes; what people write is UTF-8. */
const reasonOf = ({ headers }: FastifyRequest): string | undefined => {
  const text = Buffer.from(String(headers['kontor-reason'] ?? ''), 'latin1').toString('utf8');
  return text.trim() === '' ? undefined : text;
};

/**
 * The moment that a request asks about, by the header `Kontor-As-Of` or the query's `as_of`; what its reads must have reached,
 * by the header `Kontor-Consistency`; and why it writes, by `Kontor-Reason`. Whether it may read at all is asked as of today.
 *
 * @throws MlflowError 400 with the allowed range for a moment that is none; 400 for a request that writes; 503 if its rows
 *   are late.
 */
export const askedOf = async (request: FastifyRequest, log: LogReader): Promise<Asked> => {
  const { access } = request.routeOptions.config;
  if (access === undefined) return {};
  const moment = named(request);
  const token = request.headers[TOKEN_HEADER.toLowerCase()];
  try {
    const notBefore = token === undefined ? undefined : decodeTokens(log.identity, String(token));
    if (moment === undefined) return { notBefore, reason: reasonOf(request) };
    const { text, where } = moment;
    if (access === 'write') throw invalid(`${where}: what has happened cannot be changed; only reads can be asked so`);
    const wanted = toMoment(text);
    if (wanted === undefined) {
      throw invalid(`${where}: ${JSON.stringify(text.slice(0, 100))} is no moment; ${await allowed(log)}`);
    }
    return { asOf: await momentOf(wanted, moment, log) };
  } catch (error) {
    throw error instanceof GraphQLError ? fromRequestError(error) : error;
  }
};

const momentOf = async (
  wanted: NamedMoment,
  { text, where }: { readonly text: string; readonly where: string },
  log: LogReader,
): Promise<Position> => {
  try {
    return await log.moment(wanted, where);
  } catch (error) {
    const problem = error instanceof GraphQLError ? MISSED[String(error.extensions['code'])] : undefined;
    if (problem === undefined) throw error;
    throw invalid(`${where}: ${text} ${problem}; ${await allowed(log)}`);
  }
};

/**
 * Says of an answer which position it shows, if it read any, and how long it is true: of a moment that was asked for, for ever,
 * unless it expires.
 */
export const sayMoment = (reply: FastifyReply, log: LogReader, call: MlflowCall | undefined): void => {
  const position = call?.shown;
  if (position !== undefined)
    reply.header('kontor-position', String(position)).header(TOKEN_HEADER, encodeToken(log.identity, position));
  if (!call?.isPast || reply.statusCode >= 300 || reply.request.routeOptions.config.expires === true) {
    reply.header('cache-control', 'no-store');
    return;
  }
  // A cache knows an answer by its address; here it depends on these as well.
  reply.header('cache-control', 'private, immutable').header('vary', `${HEADER}, Authorization, X-MLFLOW-WORKSPACE`);
};
