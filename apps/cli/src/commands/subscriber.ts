import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { embeddedConfig, natsAdminUrl, reloadNats } from '@kontor/embedded';
import { positionAtTime, readHead, TimeInFuture } from '@kontor/event-store';
import {
  addSubscriber,
  connectNats,
  EVENTS_STREAM,
  listSubscribers,
  removeSubscriber,
  type SubscriberFilter,
  SubscriberInvalid,
  subscriberPermissions,
  subscriberUser,
} from '@kontor/messaging';
import type pg from 'pg';
import type { CliConfig } from '../config.js';
import { print } from '../print.js';
import { natsPasswordFile, natsUsers } from '../supervisor/nats-users.js';
import type { RunFile } from '../supervisor/run-file.js';
import { CommandFailed, UsageError } from '../usage-error.js';
import { requireWorkspace } from './log-database.js';

/** A reload takes milliseconds. */
const RELOAD_TIMEOUT_MS = 5_000;
const RELOAD_POLL_MS = 50;

/** Where a subscriber begins: everything, what follows now, a position, or a moment as RFC 3339. */
export type From = 'beginning' | 'now' | { readonly position: bigint } | { readonly time: string };

/** What `kontor subscriber` works on: the platform that runs on a data directory, and its log. */
export interface SubscriberScope {
  readonly config: CliConfig;
  readonly run: RunFile;
  readonly pool: pg.Pool;
}

type Connection = Awaited<ReturnType<typeof connectNats>>;

/** Without `nats` among the components, the server is one that a person chose. */
const isEmbedded = ({ components }: RunFile): boolean => components.some(({ name }) => name === 'nats');

const portOf = ({ addresses }: RunFile): number => Number(new URL(addresses.nats).port);

const administratorUrl = async ({ config, run }: Pick<SubscriberScope, 'config' | 'run'>): Promise<string> => {
  if (isEmbedded(run)) return natsAdminUrl(config.dataDir, portOf(run));
  const { natsUrl } = embeddedConfig(config.environment);
  if (natsUrl === undefined)
    throw new UsageError(
      `KONTOR_NATS_URL: is not set; the platform runs on ${run.addresses.nats}, allowed is its URL with a user who may make consumers`,
    );
  return natsUrl;
};

const asAdministrator = async <T>(scope: SubscriberScope, body: (nc: Connection) => Promise<T>): Promise<T> => {
  const nc = await connectNats(await administratorUrl(scope), 'kontor-subscriber');
  try {
    return await body(nc);
  } catch (error) {
    if (error instanceof SubscriberInvalid) throw new CommandFailed(error.message, { cause: error });
    throw error;
  } finally {
    await nc.close();
  }
};

/** @throws CommandFailed if the log has not come that far: the answer could still change */
const positionOf = async (pool: pg.Pool, from: From): Promise<bigint> => {
  if (from === 'beginning') return 1n;
  const head = await readHead(pool);
  if (from === 'now') return head + 1n;
  if ('position' in from) {
    if (from.position <= head + 1n) return from.position;
    throw new CommandFailed(`--from: the log ends at position ${head}; allowed are 1 to ${head + 1n}`);
  }
  return positionAtTime(pool, from.time).then(
    (position) => position + 1n,
    (error: unknown) => {
      if (error instanceof TimeInFuture) throw new CommandFailed(`--from: ${error.message}`, { cause: error });
      throw error;
    },
  );
};

/** Makes the user known to the embedded server, and returns when the server lets it in. */
const admit = async ({ config: { dataDir }, run }: SubscriberScope, name: string): Promise<void> => {
  const user = subscriberUser(name);
  const users = { ...(await natsUsers(dataDir)), [user]: subscriberPermissions(name) };
  const { urlOf } = await reloadNats({ dataDir, port: portOf(run), users });
  for (const deadline = performance.now() + RELOAD_TIMEOUT_MS; ;) {
    try {
      return await (await connectNats(urlOf(user), user)).close();
    } catch (cause) {
      if (performance.now() > deadline) throw new CommandFailed(`NATS does not let ${user} in`, { cause });
      await delay(RELOAD_POLL_MS);
    }
  }
};

/**
 * `kontor subscriber add`: makes a durable consumer and a user that may read it and nothing else, and prints what the
 * subscriber needs. The password is in a file, so that no terminal keeps it.
 *
 * @throws CommandFailed if there is another subscriber of this name, or it cannot begin where it should
 */
export const addSubscriberVerb = async (
  scope: SubscriberScope,
  name: string,
  options: SubscriberFilter & { readonly from: From; readonly json: boolean },
): Promise<void> => {
  const { config, run, pool } = scope;
  const { from, json, ...filter } = options;
  if (filter.workspace !== undefined) await requireWorkspace(pool, filter.workspace);
  const position = await positionOf(pool, from);
  await asAdministrator(scope, (nc) => addSubscriber(nc, name, { ...filter, from: position }));
  if (isEmbedded(run)) await admit(scope, name);
  const user = subscriberUser(name);
  const { publish, subscribe } = subscriberPermissions(name);
  const needed = {
    url: run.addresses.nats,
    user,
    ...(isEmbedded(run) && { passwordFile: natsPasswordFile(config.dataDir, user) }),
    stream: EVENTS_STREAM,
    consumer: user,
    from: `${position}`,
    ...(!isEmbedded(run) && { permissions: { publish, subscribe } }),
  };
  if (json) return print(JSON.stringify(needed, null, 2));
  for (const [key, value] of Object.entries(needed)) if (typeof value === 'string') print(`${key.padEnd(12)} ${value}`);
  if (needed.permissions)
    print(
      `\n${run.addresses.nats} is not Kontor's own: its operator makes the user and its password, with\npermissions: ${JSON.stringify(needed.permissions, null, 2)}`,
    );
};

/** `kontor subscriber list`: who subscribes, to what, and how far behind. */
export const listSubscribersVerb = async (
  scope: SubscriberScope,
  options: { readonly json: boolean },
): Promise<void> => {
  const head = await readHead(scope.pool);
  const subscribers = await asAdministrator(scope, listSubscribers);
  const rows = subscribers.map(({ acknowledged, ...rest }) => ({
    ...rest,
    acknowledged: `${acknowledged}`,
    head: `${head}`,
  }));
  if (options.json) return print(JSON.stringify(rows, null, 2));
  if (rows.length === 0) print('nobody subscribes');
  for (const { name, filters, acknowledged, waiting } of rows) {
    const what = filters.length === 0 ? 'all events' : filters.join(', ');
    print(`${name.padEnd(20)} position ${acknowledged} of ${head}, ${waiting} waiting  ${what}`);
  }
};

/** `kontor subscriber remove`: ends the consumer and the user; its connection is closed. @throws CommandFailed if there is neither */
export const removeSubscriberVerb = async (scope: SubscriberScope, name: string): Promise<void> => {
  const { config, run } = scope;
  const user = subscriberUser(name);
  let existed = await asAdministrator(scope, (nc) => removeSubscriber(nc, name));
  if (isEmbedded(run) && user in (await natsUsers(config.dataDir))) {
    existed = true;
    await rm(natsPasswordFile(config.dataDir, user));
    await reloadNats({ dataDir: config.dataDir, port: portOf(run), users: await natsUsers(config.dataDir) });
  }
  if (!existed)
    throw new CommandFailed(`there is no subscriber ${name}; "kontor subscriber list" prints those that there are`);
  print(`removed ${name}`);
};
