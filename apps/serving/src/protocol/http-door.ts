import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Authenticator, mayEnter, type Principal, refuseForeign, Unauthenticated } from '@kontor/service/process';
import { ProtocolError } from './protocol-error.js';

/** A body is held and parsed as a whole, so this bounds the memory and the time of one request. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** What clients may try again gets this pause: a model loads in well under a second. */
const RETRY_AFTER_S = 1;

/** Refuses requests that a web page of somebody else sends through a browser. @throws ProtocolError FOREIGN_HOST or FOREIGN_ORIGIN */
export const checkHost = ({ headers }: IncomingMessage, allowedHosts: readonly string[]): void => {
  const problem = refuseForeign(headers, allowedHosts);
  if (problem === undefined) return;
  throw new ProtocolError(problem.startsWith('Origin') ? 'FOREIGN_ORIGIN' : 'FOREIGN_HOST', `${problem}.`);
};

/** Asks for a token of this workspace. @throws ProtocolError UNAUTHENTICATED or FORBIDDEN */
export const signIn = async (
  { headers }: IncomingMessage,
  authenticator: Authenticator,
  workspace: string,
): Promise<Principal> => {
  let principal: Principal;
  try {
    principal = await authenticator.authenticate(headers.authorization);
  } catch (error) {
    if (!(error instanceof Unauthenticated)) throw error;
    throw new ProtocolError('UNAUTHENTICATED', `${error.message}.`, { cause: error });
  }
  if (mayEnter(principal, workspace)) return { ...principal, workspace };
  throw new ProtocolError(
    'FORBIDDEN',
    `The token is of ${principal.workspaces?.join(', ')}; this process serves ${workspace}.`,
  );
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

/**
 * The whole body.
 *
 * @param take - told of the bytes of each part before it is kept; when it throws, nothing is kept
 * @throws ProtocolError BODY_TOO_LARGE as soon as it is
 */
export const readBody = (request: IncomingMessage, take: (bytes: number) => void): Promise<Uint8Array> => {
  const tooLarge = (): ProtocolError =>
    new ProtocolError('BODY_TOO_LARGE', `The body is larger than ${MAX_BODY_BYTES} bytes; send fewer rows at once.`);
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return Promise.reject(tooLarge());
  // Events instead of `for await`, whose iterator costs more than reading a body of one chunk.
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] | undefined = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) {
        request.pause();
        return reject(tooLarge());
      }
      try {
        take(chunk.length);
        chunks?.push(chunk);
      } catch (error) {
        // The rest is read and dropped: a client that is cut off while it sends may never see why.
        chunks = undefined;
        reject(error as Error);
      }
    });
    request.once('end', () => {
      if (chunks) resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    });
    // The client's doing, so that no revision is blamed for it. Every request closes; most were complete before.
    const gone = (cause?: Error): void => {
      if (!request.complete)
        reject(new ProtocolError('INVALID_REQUEST', 'The connection ended before the body was complete.', { cause }));
    };
    request.once('error', gone);
    request.once('close', gone);
  });
};

/** Node's reasons to give a connection up, as a status and a sentence. */
const BROKEN_HTTP: Readonly<Record<string, readonly [string, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not arrive in time.'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The headers are larger than 16 KiB.'],
};

/** Answers what is no HTTP request, and ends the connection: nobody knows where the next one would begin. */
export const answerBrokenHttp = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, sentence] = BROKEN_HTTP[error.code ?? ''] ?? ['400 Bad Request', `This is no HTTP: ${error.message}.`];
  const body = JSON.stringify({ error: sentence });
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
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
      ...(error.status === 401 && { 'www-authenticate': 'Bearer realm="kontor"' }),
      // The rest of a body whose reading was given up must not be taken for the next request.
      ...(response.req.isPaused() && { connection: 'close' }),
    },
  );
};
