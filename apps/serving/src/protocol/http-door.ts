import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { ProtocolError } from './protocol-error.js';

/** @source serving reference, section 4.4 */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** What clients may try again gets this pause: a model loads in well under a second. */
const RETRY_AFTER_S = 1;

const hostnameOf = (value: string): string | undefined => {
  try {
    return new URL(value.includes('://') ? value : `http://${value}`).hostname.replace(/^\[|\]$/g, '');
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
};

/**
 * Refuses requests that a web page of somebody else sends through a browser: a foreign name that was pointed here (DNS
 * rebinding needs a name, so addresses are fine), and a foreign Origin.
 *
 * @throws ProtocolError FOREIGN_HOST or FOREIGN_ORIGIN
 */
export const checkHost = ({ headers }: IncomingMessage, allowedHosts: readonly string[]): void => {
  const isAllowed = (value: string): boolean => {
    const name = hostnameOf(value);
    return name !== undefined && (name === 'localhost' || isIP(name) !== 0 || allowedHosts.includes(name));
  };
  if (!isAllowed(headers.host ?? '')) {
    throw new ProtocolError(
      'FOREIGN_HOST',
      `The header Host is ${JSON.stringify(headers.host ?? '')}; allowed are localhost, IP addresses and the names in KONTOR_ALLOWED_HOSTS.`,
    );
  }
  if (headers.origin !== undefined && !isAllowed(headers.origin)) {
    throw new ProtocolError(
      'FOREIGN_ORIGIN',
      `The header Origin is ${JSON.stringify(headers.origin)}; pages of other hosts may not call this server.`,
    );
  }
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
export const readBody = async (request: IncomingMessage): Promise<Uint8Array> => {
  const tooLarge = (): ProtocolError =>
    new ProtocolError('BODY_TOO_LARGE', `The body is larger than ${MAX_BODY_BYTES} bytes; send fewer rows at once.`);
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
};

/** Answers with JSON. Does nothing if the client is gone. */
export const answer = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void => {
  if (response.destroyed || response.headersSent) return;
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length, ...headers });
  response.end(bytes);
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
