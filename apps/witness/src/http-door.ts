import { hash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Memory } from './memory.js';
import { NotCosigned, OtherSize, type Witness } from './witness.js';

/** A checkpoint with 100 signatures and the longest proof are smaller. */
const MAX_BODY_BYTES = 32 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

interface Options {
  readonly witness: Witness;
  readonly memory: Memory;
  /** Origins of the logs. */
  readonly origins: readonly string[];
  readonly now: () => number;
}

const answer = (response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
  response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' });
  response.end(text);
};

/** @returns undefined if the body is too large */
const readBody = async (request: IncomingMessage): Promise<string | undefined> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
};

const addCheckpoint = async ({ witness, now }: Options, request: IncomingMessage, response: ServerResponse) => {
  const body = await readBody(request);
  if (body === undefined) return answer(response, 413, `a request has at most ${MAX_BODY_BYTES} bytes\n`);
  try {
    answer(response, 200, witness.addCheckpoint(body, Math.floor(now() / 1000)));
  } catch (error) {
    if (error instanceof OtherSize) answer(response, 409, `${error.rememberedSize}\n`, 'text/x.tlog.size');
    else if (error instanceof NotCosigned) answer(response, error.status, `${error.message}\n`);
    else throw error;
  }
};

/**
 * The door of a witness: `POST /add-checkpoint`, and `GET /<hex SHA-256 of an origin>/checkpoint` for the last checkpoint
 * that was co-signed.
 *
 * @source C2SP tlog-witness
 */
export const witnessServer = (options: Options): Server => {
  const originOf = new Map(options.origins.map((origin) => [`/${hash('sha256', origin)}/checkpoint`, origin]));
  const route = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method, url = '' } = request;
    const allowed = url === '/add-checkpoint' ? 'POST' : originOf.has(url) ? 'GET' : undefined;
    if (allowed === undefined)
      return answer(response, 404, `${JSON.stringify(url.slice(0, 100))} is no path of a witness\n`);
    if (method !== allowed) {
      response.setHeader('allow', allowed);
      return answer(response, 405, `${url} takes ${allowed}\n`);
    }
    if (allowed === 'POST') return addCheckpoint(options, request, response);
    const remembered = options.memory.get(originOf.get(url) ?? '');
    if (remembered) answer(response, 200, remembered.note);
    else answer(response, 404, 'no checkpoint of this log has been co-signed yet\n');
  };
  return createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    route(request, response).catch((error: unknown) => {
      process.stderr.write(
        `kontor-witness: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
      );
      if (response.headersSent || request.destroyed) response.destroy();
      else answer(response, 500, 'the witness failed; nothing was co-signed\n');
    });
  });
};
