import { CommanderError, InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  collectPolicyRole,
  collectRole,
  collectType,
  collectWorkspace,
  parseActor,
  parsePositionArgument,
  parseTtlMs,
  parseWorkspace,
} from './parse-arguments.js';
import { program } from './program.js';

/** What the command line says before it does anything. */
const refusal = async (...args: string[]): Promise<string> => {
  const written: string[] = [];
  const output = {
    writeErr: (text: string) => void written.push(text),
    writeOut: (text: string) => void written.push(text),
  };
  const error = await program(output)
    .parse(['node', 'kontor', ...args])
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CommanderError);
  return written.join('');
};

describe('the command line', () => {
  it.each([
    ['statsu', 'status'],
    ['dwon', 'down'],
    ['evnts', 'events'],
  ])('answers the unknown command %s with a suggestion', async (typed, meant) => {
    expect(await refusal(typed)).toContain(`(Did you mean ${meant}?)`);
  });

  it.each([
    [['up', '--fast'], "unknown option '--fast'"],
    [['up', 'now'], 'too many arguments'],
    [['token', '--role', 'owner'], "required option '--actor <name>' not specified"],
    [['token', '--actor', 'ada'], "required option '--role <role>' not specified"],
    [['token', '--actor', ' ada', '--role', 'owner'], 'without line breaks and blanks at the ends'],
    [['token', '--actor', '', '--role', 'owner'], 'Allowed are 1 to 200 characters'],
    [
      ['token', '--actor', 'ada', '--role', 'king'],
      "'--role <role>' argument 'king' is invalid. Allowed are admin, auditor, ",
    ],
    [['token', '--actor', 'ada', '--role', 'owner,validator'], 'Repeat --role for each'],
    [['token', '--actor', 'ada', '--role', 'owner', '--policy-role', 'legal,risk'], 'Repeat --policy-role for each'],
    [['token', '--actor', 'ada', '--role', 'owner', '--ttl', '8'], 'a number with s, m, h or d'],
    [['token', '--actor', 'ada', '--role', 'owner', '--ttl', '366d'], 'up to 365d'],
    [['events', '--after', '-1'], 'Allowed is a whole number from 0 to 9223372036854775807'],
    [['events', '--after', '1.5'], 'Allowed is a whole number from 0 to 9223372036854775807'],
    [['events', '--type', 'model registered'], 'ModelVersionRegistered, '],
    [['export', 'a.jsonl', '--positions', '2..1'], 'the first not above the last, such as 100..200'],
    [['export', 'a.jsonl', '--stream', 'credit'], 'Allowed is the id of a stream'],
    [['archive', 'one'], 'Allowed is the number of a partition, from 0'],
    [['archive', '0', '--hot-window', '1.5'], 'Allowed is a whole number of days, from 0'],
    [['archive', '--before', 'yesterday'], 'Allowed is a time of RFC 3339'],
    [['archive', '0', '--to', ' '], "'--to <directory>' argument ' ' is invalid. Allowed is a path."],
    [['export', ''], "'file'. Allowed is a path."],
    [['export', 'a.jsonl', '--since', ''], "'--since <checkpoint>' argument '' is invalid. Allowed is a path."],
    [['erase', 'ada', '--receipt', ''], "'--receipt <file>' argument '' is invalid. Allowed is a path."],
    [['hold', 'add', '--workspace', 'default'], "required option '--reason <text>' not specified"],
    [['hold', 'remove', '--workspace', 'default', '--reason', 'x'], "missing required argument 'id'"],
    ...['a', 'Team', 'team_a', 'ab-', 'x'.repeat(64)].map((name): [string[], string] => [
      ['workspace', 'create', name],
      'Allowed are 2 to 63 of a-z, 0-9 and -',
    ]),
    [['workspace', 'delete'], "missing required argument 'name'"],
    [['workspace', 'describe', 'team-a'], "missing required argument 'text'"],
    [['subscriber', 'add'], "missing required argument 'name'"],
    [['subscriber', 'add', 'Billing'], 'Allowed are 1 to 40 of a-z, 0-9 and -'],
    [
      ['subscriber', 'add', 'billing', '--context', 'sales'],
      'Allowed are registry, deployment, monitoring, governance.',
    ],
    [
      ['subscriber', 'add', 'billing', '--from', 'yesterday'],
      'Allowed are beginning, now, a position from 1 on, and a time',
    ],
    [['subscriber', 'add', 'billing', '--from', '0'], 'Allowed are beginning, now, a position from 1 on, and a time'],
    [['subscriber', 'remove'], "missing required argument 'name'"],
    [['replay'], "required option '--verify' not specified"],
    [['rebuild'], "missing required argument 'projection'"],
  ])('refuses %j', async (args, message) => {
    expect(await refusal(...args)).toContain(message);
  });

  it('tells what it can do', async () => {
    const help = await refusal('--help');
    for (const command of [
      'up',
      'down',
      'status',
      'token',
      'events',
      'replay',
      'rebuild',
      'export',
      'rotate-key',
      'new-epoch',
    ])
      expect(help).toContain(`  ${command} `);
  });
});

describe('arguments', () => {
  it('read durations', () => {
    expect(['90s', '30m', '8h', '7d', '365d'].map(parseTtlMs)).toEqual([
      90_000, 1_800_000, 28_800_000, 604_800_000, 31_536_000_000,
    ]);
    for (const text of ['', '0h', '1.5h', '-1h', '1w', '8 h', '999999999d'])
      expect(() => parseTtlMs(text)).toThrow(InvalidArgumentError);
  });

  it('read positions beyond 2^53 without loss', () => {
    expect(parsePositionArgument('9223372036854775806')).toBe('9223372036854775806');
    for (const text of ['', '01', '+1', '1e3', '0x1', '9223372036854775808', '99999999999999999999'])
      expect(() => parsePositionArgument(text)).toThrow(InvalidArgumentError);
  });

  it('collect what is repeated', () => {
    expect(collectRole('validator', collectRole('owner'))).toEqual(['owner', 'validator']);
    expect(collectPolicyRole('legal-counsel')).toEqual(['legal-counsel']);
    expect(collectType('RunStarted')).toEqual(['RunStarted']);
    expect(collectType('RunStarted', ['RunStarted'])).toEqual(['RunStarted']);
    const most = Array.from({ length: 51 }, (_, n) => `team-${n}`);
    expect(most.reduce<readonly string[]>((before, text) => collectWorkspace(text, before), [])).toEqual(most);
    expect(() => collectWorkspace('team-51', most)).toThrow('Allowed are 51 at most.');
    for (const text of ['', 'Owner', 'a b', '-a']) {
      expect(() => collectRole(text)).toThrow(InvalidArgumentError);
      expect(() => collectPolicyRole(text)).toThrow(InvalidArgumentError);
    }
  });

  it('read names of people and workspaces', () => {
    expect(parseActor('Ada Lovelace')).toBe('Ada Lovelace');
    expect(() => parseActor('a\nb')).toThrow(InvalidArgumentError);
    expect(parseWorkspace('team-1')).toBe('team-1');
    for (const text of ['', 'Team', 'a/b', '_a']) expect(() => parseWorkspace(text)).toThrow(InvalidArgumentError);
  });
});
