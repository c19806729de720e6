import { EVENTS_STREAM, ROUTES_BUCKET, TELEMETRY_STREAM } from './streams.js';
import { ALL_EVENTS, commandSubject, commandSubjects } from './subjects.js';

/** What a user of NATS may publish and subscribe to, in the words of its configuration. */
export interface NatsPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Whether it answers requests. */
  readonly answers: boolean;
}

const ROUTES_STREAM = `KV_${ROUTES_BUCKET}`;
const INBOX = '_INBOX.>';

/** Making a stream that is missing, and looking at it. Nobody changes, empties or deletes one. */
const upkeep = ['$JS.API.INFO', '$JS.API.STREAM.LIST', '$JS.API.STREAM.NAMES'];
const stream = (name: string): string[] => [`$JS.API.STREAM.CREATE.${name}`, `$JS.API.STREAM.INFO.${name}`];

/**
 * Reading a stream. A consumer can deliver to any subject in the server's name, so who answers the outside (gateway and
 * serving) makes none on a stream that it writes to.
 */
const reading = (name: string): string[] => [
  ...stream(name),
  `$JS.API.CONSUMER.CREATE.${name}`,
  `$JS.API.CONSUMER.CREATE.${name}.>`,
  `$JS.API.CONSUMER.INFO.${name}.*`,
  `$JS.API.CONSUMER.DELETE.${name}.*`,
  `$JS.API.CONSUMER.MSG.NEXT.${name}.*`,
  `$JS.API.STREAM.MSG.GET.${name}`,
  `$JS.API.DIRECT.GET.${name}`,
  `$JS.API.DIRECT.GET.${name}.>`,
  `$JS.FC.${name}.>`,
];

/** Decides its own commands, reads all events, and takes its turn as the relay, which alone publishes events. */
const service = (context: string, ...publish: string[]): NatsPermissions => ({
  publish: [
    ALL_EVENTS,
    ...upkeep,
    ...reading(EVENTS_STREAM),
    ...stream(TELEMETRY_STREAM),
    ...stream(ROUTES_STREAM),
    ...publish,
  ],
  subscribe: [commandSubjects(context), INBOX],
  answers: true,
});

/**
 * What each process of the platform may do on NATS: who sends commands publishes no event, who serves moves no route, and
 * no service commands another.
 *
 * Replies share one inbox prefix: a reply is data, and a command's effect is read from the log.
 *
 * @source NATS documentation, "Authorization": permissions by subject and `allow_responses`.
 */
export const natsPermissions: Readonly<Record<string, NatsPermissions>> = {
  registry: service('registry'),
  governance: service('governance'),
  deployment: service('deployment', ...reading(TELEMETRY_STREAM), ...reading(ROUTES_STREAM), `$KV.${ROUTES_BUCKET}.>`),
  monitoring: service('monitoring', ...reading(TELEMETRY_STREAM), ...reading(ROUTES_STREAM)),
  gateway: {
    publish: ['kontor.cmd.>', 'kontor.label.>', ...upkeep, ...reading(EVENTS_STREAM), ...stream(TELEMETRY_STREAM)],
    subscribe: [INBOX],
    answers: false,
  },
  serving: {
    publish: [
      'kontor.infer.>',
      commandSubject('deployment', 'ReportRevisionState'),
      ...upkeep,
      ...reading(ROUTES_STREAM),
      ...stream(TELEMETRY_STREAM),
    ],
    subscribe: [INBOX],
    answers: false,
  },
};
