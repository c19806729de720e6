import type { Exit } from '@kontor/embedded';
import { describe, expect, it } from 'vitest';
import type { Component, Running } from './component.js';
import { pauseMs, supervise } from './supervise.js';

/** A component whose processes end when the test says so; `starts` counts them. */
class FakeComponent implements Component {
  readonly name = 'fake';
  starts = 0;
  stops = 0;
  end: (exit: Exit) => void = () => undefined;
  /** Thrown by the next starts. */
  refusals: Error[] = [];

  start(): Promise<Running> {
    const refusal = this.refusals.shift();
    if (refusal) return Promise.reject(refusal);
    this.starts += 1;
    const exited = new Promise<Exit>((resolve) => (this.end = resolve));
    const stop = async (): Promise<void> => {
      this.stops += 1;
      this.end({ code: 0, signal: null });
      await exited;
    };
    return Promise.resolve({ pid: 1000 + this.starts, exited, stop });
  }
}

const record = () => {
  const said: string[] = [];
  let wake: () => void = () => undefined;
  const events = {
    say: (line: string) => void said.push(line),
    changed: () => {
      wake();
    },
    gaveUp: () => undefined,
  };
  return { said, events, changed: () => new Promise<void>((resolve) => (wake = resolve)) };
};

const KILLED: Exit = { code: null, signal: 'SIGKILL' };

describe('a supervised component', () => {
  it('is started again when it dies, and the process id follows', async () => {
    const component = new FakeComponent();
    const { said, events, changed } = record();
    const supervised = await supervise(component, events);
    expect(supervised.pid()).toBe(1001);
    const back = changed();
    component.end(KILLED);
    await back;
    expect(supervised.pid()).toBe(1002);
    expect(said).toEqual([
      'fake ended (SIGKILL); starting it again in 0.2 s',
      expect.stringMatching(/^fake is back after/),
    ]);
    await supervised.stop();
  });

  it('is tried again when the restart fails, and says why', async () => {
    const component = new FakeComponent();
    const { said, events, changed } = record();
    const supervised = await supervise(component, events);
    component.refusals.push(new Error('no disk'));
    const back = changed();
    component.end({ code: 1, signal: null });
    await back;
    expect(said.slice(0, 2)).toEqual([
      'fake ended (exit code 1); starting it again in 0.2 s',
      'fake did not start: no disk; starting it again in 0.4 s',
    ]);
    await supervised.stop();
  });

  it('is not started again once it is stopped, not even in the pause before a restart', async () => {
    const component = new FakeComponent();
    const { said, events } = record();
    const supervised = await supervise(component, events);
    await supervised.stop();
    expect([component.starts, component.stops, said]).toEqual([1, 1, []]);

    const dying = new FakeComponent();
    const second = await supervise(dying, events);
    dying.end(KILLED);
    await Promise.resolve();
    await second.stop();
    expect(dying.starts).toBe(1);
  });

  it('fails at once when its first start fails', async () => {
    const component = new FakeComponent();
    component.refusals.push(new Error('no disk'));
    await expect(supervise(component, record().events)).rejects.toThrow('no disk');
  });

  it('is given longer and longer pauses, up to 5 s', () => {
    expect([1, 2, 3, 4, 5, 6, 12].map(pauseMs)).toEqual([200, 400, 800, 1600, 3200, 5000, 5000]);
  });
});
