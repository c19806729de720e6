import type { CommandReply } from '@kontor/messaging';
import { describe, expect, it } from 'vitest';
import { RevisionReporter } from './revision-reporter.js';

const accepted: CommandReply = { outcome: 'accepted', position: '1', version: '1', eventIds: [] };
const rejected: CommandReply = {
  outcome: 'rejected',
  code: 'DIGEST_MISMATCH',
  message: 'the revision has another digest',
  details: {},
};
const failed = (code: 'UNAVAILABLE' | 'INVALID'): CommandReply => ({
  outcome: 'failed',
  code,
  message: `it is ${code}`,
  correlationId: 'c',
});
const isGone = new Error('the connection is closed');

/** Reports once, with these answers one after the other; resolves after the last one. */
const report = async (...replies: (CommandReply | Error)[]) => {
  const commandIds: string[] = [];
  const lines: unknown[][] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const reporter = new RevisionReporter(
    ({ commandId }) => {
      commandIds.push(commandId);
      const reply = replies[commandIds.length - 1] ?? accepted;
      if (commandIds.length >= replies.length) setImmediate(resolve);
      return reply instanceof Error ? Promise.reject(reply) : Promise.resolve(reply);
    },
    0,
    { error: (message, reason, fields) => lines.push([message, reason, fields?.['code']]) },
  );
  reporter.report('main', 'employment', 'r1', 'sha256:0', { state: 'failed', reason: 'corrupt' });
  await promise;
  reporter.close();
  return { commandIds, lines };
};

describe('a report', () => {
  it('that is rejected is logged with its reason and not sent again', async () => {
    const { commandIds, lines } = await report(rejected);
    expect(commandIds).toHaveLength(1);
    expect(lines).toEqual([['a report is rejected', 'the revision has another digest', 'DIGEST_MISMATCH']]);
  });

  it('that is invalid is logged and not sent again', async () => {
    const { commandIds, lines } = await report(failed('INVALID'));
    expect(commandIds).toHaveLength(1);
    expect(lines).toEqual([['a report is refused', 'it is INVALID', 'INVALID']]);
  });

  it('is sent again with the same id until it is answered, and its first failure is logged', async () => {
    const { commandIds, lines } = await report(isGone, failed('UNAVAILABLE'), accepted);
    expect(commandIds).toHaveLength(3);
    expect(new Set(commandIds).size).toBe(1);
    expect(lines).toEqual([['a report cannot be sent yet', isGone, undefined]]);
  });
});
