import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Controller, Get, Header, HttpCode, HttpException, Inject, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GATEWAY } from '../gateway.token.js';
import type { Gateway } from '../gateway.js';
import { MLFLOW_VERSION } from '../mlflow/server-info.js';
import { isDatabaseAway } from '../database-away.js';
import { workspacePrefix } from '../mlflow/enter-workspace.js';
import { type HomePage, homePage } from './home-page.js';

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
const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";
const { version: VERSION } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};
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
    const { config, log, commands } = this.gateway;
    const [standing, broker, ...services] = await Promise.all([
      this.#standing(),
      commands.isConnected(),
      ...CONTEXTS.map((context) => commands.isAnswered(context)),
    ]);
    const page = homePage({
      version: VERSION,
      address: `${request.protocol}://${request.host}`,
      mlflowPrefix: workspacePrefix(request.originalUrl),
      origin: log.identity.origin,
      log: standing,
      parts: [
        { name: 'database', answers: standing !== undefined },
        { name: 'broker', answers: broker },
        ...CONTEXTS.map((name, index) => ({ name, answers: services[index] === true })),
      ],
      introspection: config.introspection,
    });
    await reply
      .header('content-security-policy', PAGE_POLICY)
      .header('cache-control', 'no-store')
      .type('text/html; charset=utf-8')
      .send(page);
  }

  /** How far the log and the read models are; undefined while the database does not answer. */
  async #standing(): Promise<HomePage['log']> {
    const { log } = this.gateway;
    try {
      const [head, readModels] = await Promise.all([log.head(), log.freshness()]);
      return { position: head, readModels };
    } catch (error) {
      if (isDatabaseAway(error)) return undefined;
      throw error;
    }
  }

  @Get('/explorer')
  explorer(@Res() reply: FastifyReply): Promise<void> {
    return this.#asset('index.html', reply);
  }

  @Get('/explorer/:file')
  async explorerFile(@Param('file') file: string, @Res() reply: FastifyReply): Promise<void> {
    return this.#asset(file, reply);
  }

  /** Browsers ask for it beside every answer that names no icon, such as JSON; a 404 would stand in their consoles. */
  @Get('/favicon.ico')
  @HttpCode(204)
  favicon(): void {
    return undefined;
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
    const { position, head, lagMs } = await log.standing().catch((error: unknown) => {
      if (!isDatabaseAway(error)) throw error;
      throw new HttpException({ status: 'the database does not answer' }, 503);
    });
    const problem = this.gateway.problem();
    const answer = { position: String(position), head: String(head), lagMs, ...(problem && { problem }) };
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
    if (content === undefined && file === 'index.html') {
      const message = 'the explorer is not bundled: npm run explorer -w @kontor/gateway';
      await reply.code(404).send({ error_code: 'RESOURCE_DOES_NOT_EXIST', message });
      return;
    }
    if (content === undefined) {
      await reply.code(404).send({ error_code: 'RESOURCE_DOES_NOT_EXIST', message: `no file ${file}` });
      return;
    }
    // Every name but that of the page holds a hash of what is in it.
    const caching = file === 'index.html' ? 'no-cache' : 'private, max-age=31536000, immutable';
    await reply
      .header('content-security-policy', EXPLORER_POLICY)
      .header('cache-control', caching)
      .type(type)
      .send(content);
  }
}
