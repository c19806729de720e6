import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Controller, Get, Header, HttpException, Inject, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GATEWAY } from '../gateway.token.js';
import type { Gateway } from '../gateway.js';
import { MLFLOW_VERSION } from '../mlflow/server-info.js';
import { homePage } from './home-page.js';

const ASSETS = fileURLToPath(new URL('../../assets/explorer', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.ttf': 'font/ttf',
  '.svg': 'image/svg+xml',
};
/** Nothing from elsewhere. The editor sets styles from scripts and runs its language in workers of the same origin. */
const EXPLORER_POLICY =
  "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
const VERSION = '0.1.0';
/** Whose services the home page asks after. */
const CONTEXTS = ['registry', 'deployment', 'monitoring', 'governance'] as const;
/** Further behind than this, answers are too old to be sent traffic. */
const MAX_READY_LAG_MS = 10_000;

/** The pages for a person, and the routes that a supervisor asks. */
@Controller()
export class PagesController {
  constructor(@Inject(GATEWAY) private readonly gateway: Gateway) {}

  @Get('/')
  async home(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { log, commands } = this.gateway;
    const page = homePage({
      version: VERSION,
      address: `${request.protocol}://${request.host}`,
      position: String(await log.head()),
      origin: log.identity.origin,
      services: await Promise.all(
        CONTEXTS.map(async (context) => ({ name: context, answers: await commands.isAnswered(context) })),
      ),
      readModels: await log.freshness(),
    });
    await reply.header('content-security-policy', PAGE_POLICY).type('text/html; charset=utf-8').send(page);
  }

  @Get('/explorer')
  explorer(@Res() reply: FastifyReply): Promise<void> {
    return this.#asset('index.html', reply);
  }

  @Get('/explorer/:file')
  async explorerFile(@Param('file') file: string, @Res() reply: FastifyReply): Promise<void> {
    return this.#asset(file, reply);
  }

  /** As MLflow's server answers. */
  @Get('/health')
  @Header('content-type', 'text/plain')
  health(): string {
    return 'OK';
  }

  @Get('/health/live')
  live(): object {
    return { status: 'ok' };
  }

  @Get('/health/ready')
  async ready(): Promise<object> {
    const { log } = this.gateway;
    const reached = await log.applied.reached();
    const { head, lagMs } = await log.lag(reached);
    const answer = { position: String(reached), head: String(head), lagMs };
    if (lagMs > MAX_READY_LAG_MS) throw new HttpException({ status: 'behind', ...answer }, 503);
    return { status: 'ok', ...answer };
  }

  /** The version of MLflow that clients may take this for; Kontor's own stands in the header. */
  @Get('/version')
  @Header('content-type', 'text/plain')
  @Header('kontor-version', VERSION)
  version(): string {
    return MLFLOW_VERSION;
  }

  async #asset(file: string, reply: FastifyReply): Promise<void> {
    const type = TYPES[extname(file)];
    if (type === undefined || !/^[\w.-]+$/.test(file)) {
      await reply.code(404).send({ error_code: 'RESOURCE_DOES_NOT_EXIST', message: `no file ${file}` });
      return;
    }
    const content = await readFile(join(ASSETS, file)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (content === undefined) {
      await reply.code(404).send({ error_code: 'RESOURCE_DOES_NOT_EXIST', message: `no file ${file}` });
      return;
    }
    await reply.header('content-security-policy', EXPLORER_POLICY).type(type).send(content);
  }
}
