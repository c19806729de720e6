// T14 and T15: a consumer's effect and its checkpoint are one, whenever it dies, and a zombie moves nothing.
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '@kontor/testing';
import type { ConsumerOptions } from './consumer.fixture.js';
import { prepareConsumers } from './consume.js';
import { fill, headOf } from './fill.js';
import { readApplied, readRows } from './final-state.js';
import { report, type Scenario } from './stage.js';

export const crashLoop: Scenario = {
  name: 'T14',
  title: 'consumer crash loop',
  run: async (stage) => {
    const kills = stage.isShort ? 4 : 100;
    const log = await stage.log();
    await prepareConsumers(log.pool('kontor_gateway'));
    const histories: string[] = [];
    let struck = 0;
    for (let kill = 0; kill < kills; kill += 1) {
      // A life needs some 8 statements before its first batch and some 6 per batch, of both consumers together.
      histories.push(await fill(stage, log, 150));
      const options: ConsumerOptions = {
        url: log.urlFor('kontor_gateway'),
        owner: 'c1',
        until: await headOf(log),
        isProjecting: true,
        dieAtStatement: stage.upTo(40),
      };
      const { signal } = await stage.program('consumer', options).ended;
      struck += signal === 'SIGKILL' ? 1 : 0;
    }
    const options: ConsumerOptions = {
      url: log.urlFor('kontor_gateway'),
      owner: 'c1',
      until: await headOf(log),
      isProjecting: true,
    };
    await stage.program('consumer', options).finished();
    const copies = { applied: [await readApplied(log.admin)], rows: await readRows(log.admin) };
    const verdict = await stage.verdict(log, histories, copies);
    const left =
      copies.applied[0]?.checkpoint === options.until && copies.rows.checkpoint === options.until
        ? []
        : ['the consumer did not reach the head'];
    return report(
      `${struck} kills at random statements`,
      { ...verdict, violations: [...verdict.violations, ...left] },
      struck > 0,
    );
  },
};

export const zombie: Scenario = {
  name: 'T15',
  title: 'zombie consumer',
  run: async (stage) => {
    const rounds = stage.isShort ? 1 : 5;
    const log = await stage.log();
    await prepareConsumers(log.pool('kontor_gateway'));
    const histories = [await fill(stage, log, 100)]; // one batch, so that nobody is stopped inside of a transaction
    const violations: string[] = [];
    const start = (owner: string, until: number) =>
      stage.program('consumer', {
        url: log.urlFor('kontor_gateway'),
        owner,
        until,
        leaseMs: 300,
        isProjecting: false,
      } satisfies ConsumerOptions);
    for (let round = 0; round < rounds; round += 1) {
      const first = start(`first-${round}`, Number.MAX_SAFE_INTEGER);
      await first.said(2); // its claim, its batch
      first.kill('SIGSTOP');
      histories.push(await fill(stage, log, 300));
      const until = await headOf(log);
      // The lease runs out; who comes too early is told that the checkpoint is held, and comes again.
      await eventually(async () => (await start(`second-${round}`, until).ended).code === 0, { timeoutMs: 60_000 });
      first.kill('SIGCONT');
      histories.push(await fill(stage, log, 100)); // something that the zombie would apply
      const { code } = await Promise.race([first.ended, delay(60_000, { code: 0 })]);
      if (code === 0 || code === null) violations.push('the zombie was not refused');
      const { rowCount } = await log.admin.query('SELECT FROM gateway.applied WHERE owner = $1 AND pos > $2', [
        `first-${round}`,
        until,
      ]);
      if (rowCount !== 0) violations.push(`the zombie applied ${rowCount} events after it had lost the lease`);
    }
    const verdict = await stage.verdict(log, histories, { applied: [await readApplied(log.admin)] });
    return report(`${rounds} leases moved away from a stopped owner`, {
      ...verdict,
      violations: [...verdict.violations, ...violations],
    });
  },
};
