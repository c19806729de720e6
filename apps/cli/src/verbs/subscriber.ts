import { type Command, Option } from 'commander';
import { addSubscriberVerb, type From, listSubscribersVerb, removeSubscriberVerb } from '../commands/subscriber.js';
import { collectContext, collectType, parseFrom, parseSubscriber, parseWorkspace } from '../parse-arguments.js';
import { eventTypes } from '../supervisor/event-types.js';
import { UsageError } from '../usage-error.js';
import { withRunningLog } from './running.js';

interface AddOptions {
  readonly workspace?: string;
  readonly context?: readonly string[];
  readonly type?: readonly string[];
  readonly from: From;
  readonly json: boolean;
}

/** @throws UsageError for a type of none of the contexts: no event of it would ever come */
const refuseForeignTypes = ({ context: contexts, type: types = [] }: AddOptions): void => {
  const owners = eventTypes();
  const never = types.find((type) => contexts && !contexts.includes(owners[type] ?? ''));
  if (never !== undefined)
    throw new UsageError(`--type: ${never} is an event of ${owners[never]}; add --context ${owners[never]}`);
};

/** Who reads the events from outside. */
export const subscriberVerbs = (kontor: Command): void => {
  const subscriber = kontor.command('subscriber').description('who reads the events from outside, through NATS');

  subscriber
    .command('add')
    .description('make a consumer and a user that may read it and nothing else; print what the subscriber needs')
    .argument('<name>', 'of the subscriber', parseSubscriber)
    .option('--workspace <name>', 'only events of this one', parseWorkspace)
    .option('--context <name>', 'only events of this one; repeat for each', collectContext)
    .option('--type <event>', 'only these; repeat for each', collectType)
    .addOption(
      new Option('--from <where>', 'the first event: beginning, now, a position, a time')
        .argParser(parseFrom)
        .default('beginning'),
    )
    .option('--json', 'as JSON', false)
    .action((name: string, given: AddOptions) => {
      refuseForeignTypes(given);
      const { context: contexts, type: types, ...options } = given;
      return withRunningLog((pool, found) =>
        addSubscriberVerb({ ...found, pool }, name, { ...options, contexts, types }),
      );
    });

  subscriber
    .command('list')
    .description('how far each subscriber is behind')
    .option('--json', 'as JSON', false)
    .action((options: { json: boolean }) =>
      withRunningLog((pool, found) => listSubscribersVerb({ ...found, pool }, options)),
    );

  subscriber
    .command('remove')
    .description('end a subscriber: its consumer, its user and its connection')
    .argument('<name>', 'of the subscriber', parseSubscriber)
    .action((name: string) => withRunningLog((pool, found) => removeSubscriberVerb({ ...found, pool }, name)));
};
