// T27: the machine with PostgreSQL and NATS loses its power. What was acknowledged was flushed, so it is there; JetStream flushes
// every two minutes, so it forgets its tail, and the relay publishes the same events at the same sequences again.
import { runRelay, runSealer } from '@kontor/event-store';
import { chainPublisher, connectNats, ensureStreams, EVENTS_STREAM } from '@kontor/messaging';
import { eventually } from '@kontor/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import { newKey } from './audit.js';
import { headOf } from './fill.js';
import { readMessages, readNotes } from './final-state.js';
import { makeGuest } from './guest.js';
import { ORIGIN, report, type Scenario } from './stage.js';
import type { WriterOptions } from './writer.fixture.js';

const KILLS = 6;
const COMMANDS_BETWEEN = 2_000;
const IDENTITY = { origin: ORIGIN, base: 0n };
const CATCH_UP = { timeoutMs: 300_000 };

/**
 * @param kernelRoot where the guest's kernel is
 * @param isFlushing whether PostgreSQL in the guest flushes what it acknowledges; without it the test must fail
 */
export const powerLoss = (kernelRoot: string, isFlushing: boolean): Scenario => ({
  name: 'T27',
  title: isFlushing ? 'power loss' : 'power loss with fsync = off',
  run: async (stage) => {
    const guest = await makeGuest(stage, kernelRoot);
    await guest.boot();
    const log = await stage.log(undefined, guest.pgUrl);
    if (!isFlushing) {
      await log.admin.query('ALTER SYSTEM SET fsync = off');
      await log.admin.query('SELECT pg_reload_conf()');
    }
    const nc = await connectNats(guest.natsUrl, 'relay');
    stage.defer(() => nc.close());
    await ensureStreams(nc, IDENTITY);
    const lastSequence = async (): Promise<number> => {
      const jsm = await jetstreamManager(nc);
      for await (const { config, state } of jsm.streams.list())
        if (config.name === EVENTS_STREAM) return state.last_seq;
      return 0; // forgotten as a whole
    };

    const { signer, publicKey } = newKey();
    const pool = log.pool('kontor_registry');
    /** Relay and sealer, from one boot to the next. */
    const start = () => {
      const stop = new AbortController();
      const running = Promise.all([
        runRelay({ pool, target: chainPublisher(nc, IDENTITY), signal: stop.signal }),
        runSealer({ pool, signers: [signer], signal: stop.signal }),
      ]);
      running.catch(() => undefined); // whoever waits for it says it
      const end = async (): Promise<void> => {
        stop.abort();
        await running;
      };
      return { running, end };
    };
    const options: WriterOptions = {
      url: log.urlFor('kontor_registry'),
      history: stage.path('w1'),
      proc: 'w1',
      seed: stage.seed,
      commands: (KILLS + 1) * COMMANDS_BETWEEN,
      inFlight: 64,
      streams: 60,
    };
    const writer = stage.writer(options);
    const kept = new Set<string>();
    let [blocks, forgotten] = [0, 0];
    let services = start();
    for (let kill = 0; kill < KILLS; kill += 1) {
      await Promise.race([writer.said(kill * COMMANDS_BETWEEN + stage.upTo(COMMANDS_BETWEEN)), services.running]);
      for (const note of await readNotes(log.admin)) kept.add(note);
      const before = await lastSequence();
      blocks += await guest.losePower();
      await services.end();
      await guest.boot();
      const after = await lastSequence();
      forgotten += Math.max(0, before - after);
      console.log(`     power cut ${kill + 1}: JetStream had ${before} messages and has ${after}`);
      services = start();
    }
    await Promise.race([writer.finished(), services.running]);
    const isRepaired = async (): Promise<boolean> => (await lastSequence()) === (await headOf(log));
    await Promise.race([eventually(isRepaired, CATCH_UP), services.running]);
    await services.end();
    const notes = [...new Set([...kept, ...(await readNotes(log.admin))])];
    const copies = { messages: await readMessages(guest.natsUrl), checkpoints: { publicKey, notes } };
    const verdict = await stage.verdict(log, [options.history], copies);
    const seen = `${KILLS} power cuts (${guest.accelerator}), ${blocks} unflushed blocks and ${forgotten} messages of JetStream lost`;
    return report(seen, verdict, forgotten > 0);
  },
});
