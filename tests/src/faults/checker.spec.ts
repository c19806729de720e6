// A checker that cannot fail proves nothing: one good history, and for each invariant one that breaks it.
import { createHash, generateKeyPairSync, type KeyPairKeyObjectResult, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { check, type Evidence, type StoredEvent } from './checker.js';
import type { Operation } from './history.js';

const ORIGIN = 'kontor.example/log/0';
const keys: KeyPairKeyObjectResult = generateKeyPairSync('ed25519');
const sha256 = (...parts: readonly (string | Uint8Array)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const at = (pos: number): string => `2026-06-01T12:00:00.00000${pos}Z`;

const eventOf = (pos: number, stream: string, version: number, commandId: string): StoredEvent => {
  const event = {
    pos,
    eventId: `e${pos}`,
    stream,
    version,
    type: 'Counted',
    schemaVersion: 1,
    workspace: 'default',
    actor: 'ada',
    commandId,
    recordedAt: at(pos),
    data: '{}',
    meta: '{}',
  };
  const hash = sha256('{}').toString('hex');
  const entry = `kontor/event/1\n${ORIGIN}\n${pos}\ne${pos}\n${stream}\n${version}\nCounted@1\n${at(pos)}\ndefault\nada\n${commandId}\n${hash}\n${hash}\n`;
  return { ...event, leaf: sha256(Uint8Array.of(0), entry).toString('hex') };
};

/** c1 writes a twice and b once; c2 goes on with a, guarded by b; c3 was refused; nobody heard of c4 (stored) and c5 (not). */
const events = [
  eventOf(1, 'a', 1, 'c1'),
  eventOf(2, 'a', 2, 'c1'),
  eventOf(3, 'b', 1, 'c1'),
  eventOf(4, 'a', 3, 'c2'),
  eventOf(5, 'b', 2, 'c4'),
];
const op = (kind: Operation['op'], cmd: string, rest: Partial<Operation> = {}): Operation => ({
  t: 0,
  proc: 'w1',
  op: kind,
  cmd,
  ...rest,
});
const ok = (cmd: string, first: number, last: number, versions: readonly number[], outcome = 'appended'): Operation =>
  op('ok', cmd, { result: { outcome, first, last, versions, recordedAt: at(last) } });
const write = (stream: string, expected: string, ...ids: readonly string[]) => ({ stream, expected, events: ids });
const history: readonly Operation[] = [
  op('invoke', 'c1', { writes: [write('a', 'none', 'e1', 'e2'), write('b', '0', 'e3')] }),
  ok('c1', 1, 3, [2, 1]),
  op('invoke', 'c2', { writes: [write('a', '2', 'e4')], guards: [{ stream: 'b', expected: '1' }] }),
  ok('c2', 4, 4, [3]),
  ok('c2', 4, 4, [3], 'replayed'),
  op('invoke', 'c3', { writes: [write('a', '2', 'x1')] }),
  op('fail', 'c3', { result: { outcome: 'conflict' } }),
  op('invoke', 'c4', { writes: [write('b', 'any', 'e5')] }),
  op('info', 'c4', { result: { error: 'connection lost' } }),
  op('invoke', 'c5', { writes: [write('b', 'any', 'x2')] }),
];

const noteOf = (size: number, root: Buffer): string => {
  const text = `${ORIGIN}\n${size}\n${root.toString('base64')}\n`;
  const signature = Buffer.concat([Buffer.alloc(4), sign(null, Buffer.from(text), keys.privateKey)]).toString('base64');
  return `${text}\n— ${ORIGIN} ${signature}\n`;
};
const [l1, l2, l3] = events.map(({ leaf }) => Buffer.from(leaf, 'hex')) as [Buffer, Buffer, Buffer];
const node = (left: Buffer, right: Buffer) => sha256(Uint8Array.of(1), left, right);

const body = (count: number, last: string): string => JSON.stringify({ count, last });
const good = {
  history,
  log: {
    origin: ORIGIN,
    head: 5,
    events,
    commands: [
      { id: 'c1', first: 1, last: 3, recordedAt: at(3) },
      { id: 'c2', first: 4, last: 4, recordedAt: at(4) },
      { id: 'c4', first: 5, last: 5, recordedAt: at(5) },
    ],
    streams: [
      { id: 'a', version: 3 },
      { id: 'b', version: 2 },
    ],
  },
  applied: [{ consumer: 'all', checkpoint: 4, rows: events.slice(0, 4) }],
  rows: {
    checkpoint: 4,
    rows: [
      { key: 'a', body: body(1, 'e1'), from: 1, to: 2 },
      { key: 'a', body: body(2, 'e2'), from: 2, to: 4 },
      { key: 'a', body: body(3, 'e4'), from: 4, to: undefined },
      { key: 'b', body: body(1, 'e3'), from: 3, to: undefined },
    ],
  },
  messages: { base: 0, lastSequence: 5, messages: events.map(({ pos, eventId }) => ({ sequence: pos, eventId })) },
  checkpoints: { publicKey: keys.publicKey, notes: [noteOf(2, node(l1, l2)), noteOf(3, node(node(l1, l2), l3))] },
  erased: { secrets: ['Ada Lovelace'], places: [{ name: 'dump', content: Buffer.from('nothing here') }] },
} satisfies Evidence;

const without = (pos: number) => events.filter((event) => event.pos !== pos);
const changed = (pos: number, change: Partial<StoredEvent>) =>
  events.map((event) => (event.pos === pos ? { ...event, ...change } : event));
const withLog = (change: Partial<Evidence['log']>): Evidence => ({ ...good, log: { ...good.log, ...change } });
const withHistory = (...more: readonly Operation[]): Evidence => ({ ...good, history: [...history, ...more] });

describe('the checker', () => {
  it('finds nothing in a good history, and counts what nobody heard of', () => {
    expect(check(good)).toEqual({
      violations: [],
      acknowledged: 2,
      replayed: 1,
      refused: 1,
      recovered: 1,
      unknown: 1,
      events: 5,
    });
  });

  it.each<[string, Evidence, string]>([
    ['I1', withLog({ events: without(4) }), 'I1: lost 2 of 3 acknowledged of w1 (end), first c2'],
    ['I1', withLog({ events: events.slice(3) }), 'I1: lost 1 of 3 acknowledged of w1 (prefix), first c1'],
    [
      'I1',
      withHistory(ok('c6', 9, 9, [1]), ok('c1', 1, 3, [2, 1], 'replayed')),
      'I1: lost 1 of 5 acknowledged of w1 (middle), first c6',
    ],
    ['I2', withLog({ events: changed(5, { eventId: 'e9' }) }), 'I2: position 5 holds event e9, which nobody sent'],
    ['I2', withHistory(op('fail', 'c4')), ''],
    [
      'I2',
      { ...good, history: history.filter(({ op, cmd }) => op !== 'info' || cmd !== 'c4').concat(op('fail', 'c4')) },
      'I2: position 5 is of c4, which was refused',
    ],
    ['I3', withLog({ events: changed(5, { eventId: 'e1' }) }), 'I3: event e1 is stored twice'],
    [
      'I3',
      withLog({ commands: good.log.commands.flatMap((one) => [one, one]).slice(1) }),
      'I3: command c2 is stored twice',
    ],
    ['I4', withLog({ events: without(2) }), 'I4: position 3 stands at place 2'],
    ['I4', withLog({ head: 6 }), 'I4: the head is 6, 5 events are stored'],
    ['I5', withLog({ events: changed(4, { version: 4 }) }), 'I5: position 4 is version 4 of a, not 3'],
    [
      'I5',
      withLog({
        streams: [
          { id: 'a', version: 3 },
          { id: 'b', version: 3 },
        ],
      }),
      'I5: b says version 3, its events end at 2',
    ],
    ['I6', withLog({ events: without(3) }), 'I6: 2 of the 3 events of c1 are stored, or in another order'],
    [
      'I6',
      withLog({
        events: [
          ...events.slice(0, 2),
          { ...eventOf(3, 'b', 1, 'c4'), eventId: 'e5' },
          events[3] as StoredEvent,
          { ...eventOf(5, 'b', 2, 'c1'), eventId: 'e3' },
        ],
      }),
      'I6: the 3 events of c1 lie over 5 positions',
    ],
    [
      'I7',
      {
        ...good,
        history: [
          op('invoke', 'c2', { writes: [write('a', '1', 'e4')] }),
          ...history.filter(({ op, cmd }) => op !== 'invoke' || cmd !== 'c2'),
        ],
      },
      'I7: c2 was accepted on version 2 of a, expected was 1',
    ],
    [
      'I7',
      {
        ...good,
        history: history.map((one) => (one.guards ? { ...one, guards: [{ stream: 'b', expected: 'none' }] } : one)),
      },
      'I7: c2 was accepted on version 1 of b, expected was none',
    ],
    [
      'I8',
      withLog({ events: changed(4, { recordedAt: at(1) }) }),
      `I8: position 4 is of ${at(1)}, the one before of ${at(3)}`,
    ],
    ['I9', withHistory(ok('c2', 4, 4, [4], 'replayed')), 'I9: c2 got 2 different answers'],
    ['I9', withHistory(ok('c2', 4, 4, [3])), 'I9: c2 was appended 2 times'],
    ['I9', withLog({ commands: good.log.commands.slice(1) }), 'I9: c1 is remembered with another answer than it got'],
    [
      'I10',
      { ...good, applied: [{ consumer: 'all', checkpoint: 4, rows: events.slice(0, 3) }] },
      'I10: all is at 4 and applied 3 events, not 4',
    ],
    [
      'I10',
      { ...good, applied: [{ consumer: 'all', checkpoint: 4, rows: [...events.slice(0, 2), ...events.slice(1, 4)] }] },
      'I10: all applied position 2 where 3 was next',
    ],
    [
      'I10',
      { ...good, applied: [{ consumer: 'some', checkpoint: 5, types: ['Other'], rows: events.slice(0, 1) }] },
      'I10: some applied position 1 where nothing was next',
    ],
    [
      'I11',
      { ...good, rows: { ...good.rows, rows: good.rows.rows.slice(1) } },
      `I11: a from 1 is missing, the fold gives ${body(1, 'e1')} to 2`,
    ],
    [
      'I11',
      { ...good, rows: { checkpoint: 5, rows: good.rows.rows } },
      `I11: b from 3 is ${body(1, 'e3')} to now, the fold gives ${body(1, 'e3')} to 5`,
    ],
    [
      'I12',
      {
        ...good,
        messages: {
          ...good.messages,
          messages: [...good.messages.messages.slice(0, 4), { sequence: 5, eventId: 'e4' }],
        },
      },
      'I12: sequence 5 is event e4, position 5 is e5',
    ],
    [
      'I12',
      { ...good, messages: { ...good.messages, messages: good.messages.messages.toSpliced(2, 1) } },
      'I12: sequence 4 follows 2',
    ],
    [
      'I12',
      { ...good, messages: { ...good.messages, lastSequence: 4 } },
      'I12: JetStream ends at sequence 4, the log at position 5',
    ],
    ['I13', withLog({ events: changed(2, { actor: 'eve' }) }), 'I13: position 2 has another leaf than its fields give'],
    [
      'I13',
      { ...good, checkpoints: { ...good.checkpoints, notes: [noteOf(3, l1)] } },
      'I13: the checkpoint of 3 has another root than the rows give',
    ],
    [
      'I13',
      { ...good, checkpoints: { ...good.checkpoints, notes: [noteOf(2, node(l1, l2)).replace('\n2\n', '\n3\n')] } },
      `I13: the checkpoint of 3 is not signed by ${ORIGIN}`,
    ],
    [
      'I14',
      { ...good, erased: { ...good.erased, places: [{ name: 'dump', content: Buffer.from('x Ada Lovelace x') }] } },
      'I14: secret 0 is in dump',
    ],
  ])('names what breaks %s (%#)', (_, evidence, sentence) => {
    const { violations } = check(evidence);
    if (sentence) expect(violations).toContain(sentence);
    else expect(violations).toEqual([]); // `info` before a `fail`: the first call may still have been carried out
  });
});
