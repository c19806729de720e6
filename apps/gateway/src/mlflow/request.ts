import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { Endpoint } from './endpoint.js';
import { invalid, MlflowError } from './errors.js';
import type { Json } from './json.js';
import { readBody, readQuery } from './message.js';

/** A batch of metrics is documented with 1 MB; 16 times that is a client gone wild. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** The text of a body, and its SHA-256 in hex. */
interface Body {
  readonly text: string;
  readonly sha256: string;
}

const NO_BODY: Body = { text: '', sha256: hash('sha256', '') };

/** What a request says, and the body in which it says it. */
interface Input extends Body {
  readonly input: Readonly<Record<string, Json>>;
}

/** The request's fields: path parts, and the query of a GET or of an endpoint that asks for it, or else the body. */
export const inputOf = async (
  { method, query: isInQuery, fields }: Pick<Endpoint, 'method' | 'query' | 'fields'>,
  request: FastifyRequest,
): Promise<Input> => {
  const params = request.params as Readonly<Record<string, string>>;
  const isInPath = (name: string) =>
    Object.hasOwn(
      params,
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    );
  const withParams = (input: Readonly<Record<string, Json>>, body = NO_BODY): Input => ({
    input: { ...Object.fromEntries(Object.entries(input).filter(([name]) => !isInPath(name))), ...params },
    ...body,
  });
  const ofBody = async (stream: Readable | undefined): Promise<Input> => {
    const body = await readText(stream);
    return withParams(readBody(body.text), body);
  };
  if (method === 'GET' || isInQuery) {
    const query = new URLSearchParams(request.url.split('?', 2)[1] ?? '');
    query.delete('as_of');
    // A GET without a query may bring its fields in a body, which Fastify leaves on the socket.
    if (query.size === 0 && !isInQuery) return ofBody(request.raw);
    return withParams(readQuery(fields, query));
  }
  if (method === 'POST' || method === 'PUT') checkContentType(request.headers['content-type']);
  return ofBody(request.body as Readable | undefined);
};

const checkContentType = (header: string | undefined): void => {
  if (header === undefined) {
    throw invalid('Bad Request. Content-Type header is missing.');
  }
  if (header.split(';', 1)[0]?.trim().toLowerCase() !== 'application/json') {
    throw wrongContentType();
  }
};

/** The refusal of a body that is said to be no JSON. */
export const wrongContentType = (): MlflowError =>
  invalid("Bad Request. Content-Type must be one of ['application/json'].");

/**
 * The bytes of a body; undefined if it is longer. Then it is read to its end but not kept: a client that is still sending
 * would not see the answer.
 */
export const readBytes = async (body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer | undefined> => {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes <= maxBytes) chunks.push(chunk);
  }
  return sizeBytes > maxBytes ? undefined : Buffer.concat(chunks);
};

/** @throws MlflowError 413 if the body is larger than any request may be. */
const readText = async (body: Readable | undefined): Promise<Body> => {
  if (body === undefined) return NO_BODY;
  const bytes = await readBytes(body as AsyncIterable<Buffer>, MAX_BODY_BYTES);
  // What is no UTF-8 is no JSON.
  if (bytes !== undefined) return { text: isUtf8(bytes) ? bytes.toString('utf8') : '', sha256: hash('sha256', bytes) };
  throw new MlflowError('BAD_REQUEST', `The request body has more than ${MAX_BODY_BYTES} bytes.`, { status: 413 });
};
