import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { refuseForeign } from '@kontor/service/process';
import { ProtocolError } from './protocol-error.js';

/** @source serving reference, section 4.4 */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** What clients may try again gets this pause: a model loads in well under a second. */
const RETRY_AFTER_S = 1;

/**
 * Refuses requests that a web page of somebody else sends through a browser. An address as Host is fine, unlike a foreign
 * name: DNS rebinding needs a name, and probes and balancers call a container by its address.
 *
 * @throws ProtocolError FOREIGN_HOST or FOREIGN_ORIGIN
 */
export const checkHost = ({ headers }: IncomingMessage, allowedHosts: readonly string[]): void => {
  const name = (headers.host ?? '').replace(/:\d+$/, '');
  const isAddress = isIP(name.replace(/^\[|\]$/g, '')) !== 0;
  const problem = refuseForeign(headers, isAddress ? [...allowedHosts, name] : allowedHosts);
  if (problem === undefined) return;
  throw new ProtocolError(problem.startsWith('Origin') ? 'FOREIGN_ORIGIN' : 'FOREIGN_HOST', `${problem}.`);
};

/** Refuses bodies that are no plain JSON. Compressed ones too: 8 MiB of them can be gigabytes. */
export const checkContent = ({ headers }: IncomingMessage): void => {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (headers['inference-header-content-length'] !== undefined || type === 'application/octet-stream') {
    throw new ProtocolError('UNSUPPORTED', 'The binary tensor extension is not available here; send tensors as JSON.');
  }
  if (type !== undefined && type !== 'application/json') {
    throw new ProtocolError(
      'UNSUPPORTED_MEDIA_TYPE',
      `The header Content-Type is ${JSON.stringify(type)}; application/json is expected.`,
    );
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new ProtocolError(
      'UNSUPPORTED_MEDIA_TYPE',
      `The header Content-Encoding is ${JSON.stringify(encoding)}; send the body uncompressed.`,
    );
  }
};

/** The whole body. @throws ProtocolError BODY_TOO_LARGE as soon as it is */
export const readBody = (request: IncomingMessage): Promise<Uint8Array> => {
  const tooLarge = (): ProtocolError =>
    new ProtocolError('BODY_TOO_LARGE', `The body is larger than ${MAX_BODY_BYTES} bytes; send fewer rows at once.`);
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return Promise.reject(tooLarge());
  // Events instead of `for await`, whose iterator costs more than reading a body of one chunk.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) return void chunks.push(chunk);
      request.pause();
      reject(tooLarge());
    });
    request.once('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    // The client's doing, so that no revision is blamed for it.
    const gone = (cause?: Error): void =>
      reject(new ProtocolError('INVALID_REQUEST', 'The connection ended before the body was complete.', { cause }));
    request.once('error', gone);
    request.once('close', () => gone());
  });
};

/** Answers with JSON. Does nothing if the client is gone. */
export const answer = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void => {
  if (response.destroyed || response.headersSent) return;
  // A text goes out with the head in one write; a Buffer would be a second one.
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
};

/** Answers with OIP's error body, and the machine code in a header. */
export const answerError = (
  response: ServerResponse,
  error: ProtocolError,
  headers: Readonly<Record<string, string>> = {},
): void => {
  answer(
    response,
    error.status,
    { error: error.message },
    {
      ...headers,
      'x-kontor-error-code': error.code,
      ...(error.status === 503 && { 'retry-after': String(RETRY_AFTER_S) }),
      // The rest of a body that was not read must not be taken for the next request.
      ...(error.code === 'BODY_TOO_LARGE' && { connection: 'close' }),
    },
  );
};
