import type { PersonalData } from '@kontor/event-store';
import type { Principal } from '@kontor/service/process';
import type { CommandClient } from '../commands/command-client.js';
import type { LogReader } from '../log/log-reader.js';
import type { WebhookDeliveries } from '../registry/webhook-deliveries.js';
import type { SocketControl } from '../subscriptions/socket-door.js';
import type { Moment } from './entity.js';
import type { Rows } from './rows.js';

/** What every resolver of one operation shares. */
export interface GraphContext {
  readonly principal: Principal;
  readonly workspace: string;
  readonly correlationId: string;
  readonly rows: Rows;
  readonly log: LogReader;
  readonly personal: PersonalData;
  readonly deliveries: WebhookDeliveries;
  readonly commands: CommandClient;
  /** The position of the operation, chosen once before the first resolver. */
  readonly moment: Moment;
  /** How late the read models were at that moment. */
  readonly lagMs: number;
  /** The newest position that this answer shows: the moment, or that of the last mutation. */
  shown: bigint;
  /** Present on a socket. */
  readonly socket?: SocketControl;
}

/** Parents that hand a moment on: rows, and the roots that `at` makes. */
export interface Momentary {
  readonly moment: Moment;
}

/** The moment of a root field: the one that `at` chose, or the operation's. */
export const momentOf = (parent: Momentary | undefined, context: GraphContext): Moment =>
  parent?.moment ?? context.moment;
