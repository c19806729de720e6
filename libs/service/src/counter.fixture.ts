import {
  type Command,
  type CommandOf,
  type Context,
  type Decider,
  type DomainEvent,
  reject,
  routes,
  streamId,
} from '@kontor/event-sourcing';
import { z } from 'zod';

const id = z.string().min(1);
const commands = {
  /** `then` says what the reaction to it does. */
  Count: z.object({
    counter: id,
    then: z.enum(['echo', 'refuse', 'throw', 'invalid', 'crash', 'unfounded']).optional(),
  }),
  /** Counts if the guarded counter has this version. */
  CountIf: z.object({ counter: id, guarded: id, version: z.string().regex(/^\d+$/) }),
  TakeName: z.object({ counter: id, name: id }),
  ReportRevisionState: z.object({ counter: id }),
  Echo: z.object({ counter: id, of: z.string() }),
  Refuse: z.object({ counter: id }),
  /** An echo that is refused while the count is odd. */
  EchoIfEven: z.object({ counter: id, of: z.string() }),
  /** An echo that is `invalid`, makes the decider `crash` or has no facts (`unfounded`) while the context is broken. */
  EchoIfWhole: z.object({ counter: id, of: z.string(), defect: z.enum(['invalid', 'crash', 'unfounded']) }),
};

const counted = z.object({ counter: id, n: z.number(), then: z.string().optional(), of: z.string().optional() });
type Counted = z.output<typeof counted>;

const counter: Decider<number, CommandOf<typeof commands>, DomainEvent<'Counted', Counted>, 'NOT_WANTED'> = {
  initialState: 0,
  decide: (command, n) => {
    if (command.type === 'Refuse' || (command.type === 'EchoIfEven' && n % 2 === 1)) return reject('NOT_WANTED', { n });
    const data = { counter: command.data.counter, n: n + 1 };
    switch (command.type) {
      case 'Count':
        return [{ type: 'Counted', data: { ...data, ...(command.data.then && { then: command.data.then }) } }];
      case 'Echo':
      case 'EchoIfEven':
      case 'EchoIfWhole':
        return [{ type: 'Counted', data: { ...data, of: command.data.of } }];
      default:
        return [{ type: 'Counted', data }];
    }
  },
  evolve: (n) => n + 1,
};

const crashing = (isBroken: () => boolean): typeof counter => ({
  ...counter,
  decide: (command, n) => {
    const isCrash = command.type === 'EchoIfWhole' && command.data.defect === 'crash';
    if (isCrash && isBroken()) throw new Error('this decider is broken');
    return counter.decide(command, n);
  },
});

/** The stream of a counter. */
export const counterStream = (name: string, workspace = 'default'): string =>
  streamId({ workspace, context: 'governance', aggregate: 'counter', id: name });

const stream = ({ data, metadata }: Command<string, { readonly counter: string }>): string =>
  counterStream(data.counter, metadata.workspace);

/**
 * The least context that has every way out: counters, for specs of the service. A count with `then: 'echo'` is echoed
 * once on the counter `<name>-echo`.
 *
 * @param isBroken whether the reaction to `then: 'throw'` throws, and the command after `invalid` and `crash` fails; if
 *   not, they echo.
 */
export const counterContext = (isBroken: () => boolean): Context => ({
  name: 'governance',
  events: { Counted: counted },
  commands: {
    ...commands,
    EchoIfWhole: commands.EchoIfWhole.refine(({ defect }) => defect !== 'invalid' || !isBroken(), 'must be whole'),
  },
  routes: routes<typeof commands>()(crashing(isBroken), {
    Count: { stream },
    CountIf: {
      stream,
      guards: ({ data, metadata }) => [
        { stream: counterStream(data.guarded, metadata.workspace), expected: BigInt(data.version) },
      ],
    },
    TakeName: {
      stream,
      claims: (command) => [{ stream: stream(command), kind: 'counter', key: command.data.name, take: true }],
    },
    ReportRevisionState: { stream },
    Echo: { stream },
    Refuse: { stream },
    EchoIfEven: { stream },
    EchoIfWhole: { stream },
  }),
  upcasters: {},
  rejections: { NOT_WANTED: 'Nobody wants that.' },
  reactions: {
    canHandle: ['Counted'],
    react: (event) => {
      const { counter: name, then } = event.data as Counted;
      if (then === undefined) return [];
      if (then === 'throw' && isBroken()) throw new Error('this reaction is broken');
      if (then === 'refuse') return [{ type: 'Refuse', data: { counter: name } }];
      const echo = { counter: `${name}-echo`, of: event.eventId };
      if (then !== 'echo' && then !== 'throw') return [{ type: 'EchoIfWhole', data: { ...echo, defect: then } }];
      return [{ type: 'Echo', data: echo }];
    },
  },
});
