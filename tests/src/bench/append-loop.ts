import { createEventStore } from '@kontor/event-store';
import { appendFor, type Measured } from './workload.js';

// One of several processes that append to one log. Arguments: url, commands in flight, seconds. Says when it is connected, waits
// for a word, and answers what it measured.

const WARM_UP_SECONDS = 0.3;
/** Enough for quantiles, and few enough for one message. */
const SAMPLE_EVERY = 8;

const [url = '', inFlight = '1', seconds = '1'] = process.argv.slice(2);
const store = createEventStore({ connectionString: url, max: 2 }, { upcasters: {} });
const warmUp = await appendFor(store, Number(inFlight), WARM_UP_SECONDS);
process.once('message', () => {
  void appendFor(store, Number(inFlight), Number(seconds)).then(async (measured) => {
    const answer: Measured = {
      // What is stored must be counted, what is rated is not.
      events: measured.events + warmUp.events,
      perSecond: measured.perSecond,
      latenciesMs: measured.latenciesMs.filter((_, index) => index % SAMPLE_EVERY === 0),
    };
    await store.close();
    process.send?.(answer, () => process.disconnect());
  });
});
process.send?.('connected');
