/** One call of `kontor` that must end with a code other than 0 and say why. */
export interface CommandLineCase {
  readonly args: readonly string[];
  /** The data directory: of the platform, or an empty one. */
  readonly on?: 'platform' | 'nothing';
  readonly exitCode: number;
  readonly says: string;
}

const wrong = (says: string, ...args: readonly string[]): CommandLineCase => ({ args, exitCode: 2, says });

export const commandLineCases: readonly CommandLineCase[] = [
  wrong("unknown command 'fly'", 'fly'),
  wrong("unknown option '--fast'", 'up', '--fast'),
  wrong('too many arguments', 'down', 'now'),
  wrong('--verify', 'replay'),
  wrong("missing required argument 'projection'", 'rebuild'),
  wrong("required option '--actor <name>' not specified", 'token', '--role', 'auditor'),
  wrong("required option '--role <role>' not specified", 'token', '--actor', 'ada'),
  wrong('Allowed are 1 to 50 of a-z and -', 'token', '--actor', 'ada', '--role', 'Auditor'),
  wrong('Allowed are 1 to 200 characters', 'token', '--actor', ' ada', '--role', 'auditor'),
  wrong('Allowed are 1 to 200 characters', 'token', '--actor', 'a'.repeat(201), '--role', 'auditor'),
  wrong('Allowed is a number with s, m, h or d', 'token', '--actor', 'ada', '--role', 'auditor', '--ttl', 'long'),
  wrong('up to 365d', 'token', '--actor', 'ada', '--role', 'auditor', '--ttl', '366d'),
  wrong('Allowed are 1 to 63 of a-z', 'token', '--actor', 'ada', '--role', 'auditor', '--workspace', 'Upper'),
  wrong('Allowed is a whole number from 0 to 9223372036854775807', 'events', '--after', '-1'),
  wrong('Allowed is a whole number from 0 to 9223372036854775807', 'events', '--after', '1.5'),
  wrong('ModelVersionRegistered, ', 'events', '--type', 'modelVersionRegistered'),
  {
    args: ['events', '--after', '9223372036854775807'],
    on: 'platform',
    exitCode: 1,
    says: 'kontor: after: 9223372036854775807 is above the newest position',
  },
  wrong("missing required argument 'position'", 'undo'),
  wrong('Allowed is a whole number from 0', 'undo', 'last'),
  {
    args: ['undo', '9223372036854775807'],
    on: 'platform',
    exitCode: 1,
    says: 'kontor: at 9223372036854775807 is no event of a run, an experiment, a model or a version',
  },
  { args: ['undo', '1', '--yes', '--workspace', 'nope'], on: 'platform', exitCode: 1, says: 'kontor: at 1 is no event' },
  {
    args: ['workspace', 'create', 'default'],
    on: 'platform',
    exitCode: 1,
    says: "kontor: The 'default' workspace is reserved and cannot be created",
  },
  {
    args: ['workspace', 'create', 'api'],
    on: 'platform',
    exitCode: 1,
    says: "kontor: Workspace name 'api' is reserved and cannot be used.",
  },
  {
    args: ['workspace', 'delete', 'default'],
    on: 'platform',
    exitCode: 1,
    says: "kontor: The 'default' workspace is reserved and cannot be deleted",
  },
  { args: ['workspace', 'delete', 'nope'], on: 'platform', exitCode: 1, says: "kontor: Workspace 'nope' not found" },
  {
    args: ['workspace', 'describe', 'nope', 'x'],
    on: 'platform',
    exitCode: 1,
    says: "kontor: Workspace 'nope' not found",
  },
  wrong('Allowed is the number of a partition, from 0', 'archive', '-0'),
  wrong('Allowed is the number of a partition, from 0', 'archive', 'zero'),
  { args: ['archive'], on: 'platform', exitCode: 2, says: 'name one partition by its number, or --before a time' },
  { args: ['archive', '0'], on: 'platform', exitCode: 2, says: '--to: name a directory for the archive' },
  { args: ['archive', '0', '--drop', '--to', 'x'], on: 'platform', exitCode: 2, says: 'neither --to nor --before' },
  { args: ['archive', '0', '--to', 'x'], on: 'platform', exitCode: 1, says: 'no checkpoint covers all of it yet' },
  { args: ['archive', '9', '--to', 'x'], on: 'platform', exitCode: 1, says: 'the log has no partition 9' },
  { args: ['archive', '0', '--drop'], on: 'platform', exitCode: 1, says: 'archive it first' },
  {
    args: ['hold', 'add', '--workspace', 'default', '--reason', ' '],
    on: 'platform',
    exitCode: 1,
    says: 'reason: must say why (INVALID)',
  },
  {
    args: ['hold', 'add', '--workspace', 'nowhere', '--reason', 'x'],
    on: 'platform',
    exitCode: 1,
    says: '--workspace: the log has no event of nowhere; allowed is one that has events',
  },
  {
    args: ['subscriber', 'add', 'scout', '--workspace', 'nowhere'],
    on: 'platform',
    exitCode: 1,
    says: '--workspace: the log has no event of nowhere; allowed is one that has events',
  },
  {
    args: ['subscriber', 'remove', 'nobody'],
    on: 'platform',
    exitCode: 1,
    says: 'there is no subscriber nobody; "kontor subscriber list" prints those that there are',
  },
  {
    args: ['hold', 'remove', '01975b00-0000-7000-8000-000000000001', '--workspace', 'default', '--reason', 'x'],
    on: 'platform',
    exitCode: 1,
    says: 'There is no such legal hold in this workspace. (LEGAL_HOLD_UNKNOWN)',
  },
  {
    args: ['hold', 'remove', 'x', '--workspace', 'default', '--reason', 'x'],
    on: 'platform',
    exitCode: 1,
    says: 'holdId: must be the UUID of a legal hold',
  },
  { args: ['hold', 'list'], on: 'nothing', exitCode: 1, says: 'nothing is up on' },
  wrong("required option '--reason <ground>' not specified", 'erase', 'ada'),
  wrong('Allowed choices are no-longer-needed, consent-withdrawn', 'erase', 'ada', '--reason', 'because'),
  wrong("required option '--receipt <file>' not specified", 'erase', 'a', '--reason', 'objection', '--actor', 'dora'),
  {
    args: ['erase', 'ada', '--reason', 'objection', '--actor', 'dora', '--receipt', 'r.jsonl'],
    on: 'nothing',
    exitCode: 1,
    says: 'nothing is up on',
  },
  {
    args: ['erase', 'ada', '--reason', 'objection', '--actor', 'dora', '--receipt', '/nowhere/r.jsonl'],
    on: 'platform',
    exitCode: 1,
    says: '/nowhere/r.jsonl cannot be written: its folder does not exist',
  },
  {
    args: ['erase', 'ada', '--reason', 'objection', '--actor', 'dora', '--receipt', '/dev/null'],
    on: 'platform',
    exitCode: 1,
    says: 'cannot be written: it exists',
  },
  { args: ['export', '/nowhere/x.jsonl'], on: 'platform', exitCode: 1, says: 'its folder does not exist' },
  {
    args: ['export', 'x.jsonl', '--since', '/nowhere'],
    on: 'platform',
    exitCode: 1,
    says: '/nowhere is no checkpoint: it does not exist',
  },
  wrong('if a backup was restored and signed events are lost, add --yes', 'new-epoch'),
  { args: ['events'], on: 'nothing', exitCode: 1, says: 'nothing is up on' },
  { args: ['replay', '--verify'], on: 'nothing', exitCode: 1, says: 'nothing is up on' },
  { args: ['rebuild', 'runs'], on: 'nothing', exitCode: 1, says: 'nothing is up on' },
  { args: ['rebuild', 'experiment'], on: 'platform', exitCode: 2, says: 'allowed are experiments, runs, ' },
  { args: ['status'], on: 'nothing', exitCode: 1, says: 'down' },
  { args: ['up'], exitCode: 1, says: 'is in use' },
];
