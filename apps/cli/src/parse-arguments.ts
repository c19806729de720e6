import { contexts } from '@kontor/domain/contexts';
import { ROLES } from '@kontor/domain/roles';
import { InvalidArgumentError } from 'commander';
import { z } from 'zod';
import type { From } from './commands/subscriber.js';
import { eventTypes } from './supervisor/event-types.js';

/** A token is a bearer's: whoever finds it is the person. Longer than this is a password. */
const MAX_TTL_MS = 365 * 86_400_000;
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `30m`, `8h` or `7d` in milliseconds. */
export const parseTtlMs = (text: string): number => {
  const match = /^([1-9]\d{0,8})([smhd])$/.exec(text);
  const ms = match ? Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS] : undefined;
  if (ms === undefined || ms > MAX_TTL_MS)
    throw new InvalidArgumentError('Allowed is a number with s, m, h or d, such as 30m or 8h, up to 365d.');
  return ms;
};

/** Positions are a bigint of PostgreSQL. */
const MAX_POSITION = 2n ** 63n - 1n;

/** A position in the log, as text: it may be larger than a JavaScript number holds exactly. */
export const parsePositionArgument = (text: string): string => {
  if (!/^(?:0|[1-9]\d{0,18})$/.test(text) || BigInt(text) > MAX_POSITION)
    throw new InvalidArgumentError(`Allowed is a whole number from 0 to ${MAX_POSITION}.`);
  return text;
};

/** Ids of actors are free, but neither empty nor longer than the log takes, and without blanks at the ends. */
export const parseActor = (text: string): string => {
  if (text.trim() !== text || text.length < 1 || text.length > 200 || /\p{Cc}/u.test(text))
    throw new InvalidArgumentError('Allowed are 1 to 200 characters, without line breaks and blanks at the ends.');
  return text;
};

/**
 * One more of an option that may be repeated; the same again changes nothing.
 *
 * @param check throws InvalidArgumentError for a text that is not allowed
 * @param most how many different ones make sense
 */
const collecting =
  (check: (text: string) => void, most = Infinity) =>
  (text: string, before: readonly string[] = []): readonly string[] => {
    check(text);
    if (before.includes(text)) return before;
    if (before.length === most) throw new InvalidArgumentError(`Allowed are ${most} at most.`);
    return [...before, text];
  };

/** What a token may hold of roles, and of workspaces beside its first. @source `claims` in libs/service/src/sign-in.ts */
const MAX_NAMES = 50;

/** One more role that something here asks for: with a misspelt one a token would look right and do nothing. */
export const collectRole = collecting((text) => {
  if (!ROLES.some((role) => role === text))
    throw new InvalidArgumentError(
      `Allowed are ${ROLES.join(', ')}. Repeat --role for each; one that only a policy asks for is a --policy-role.`,
    );
});

/** One more role of a policy; roles are small words, so that a list of them in one argument is noticed. */
export const collectPolicyRole = collecting((text) => {
  if (!/^[a-z][a-z-]{0,49}$/.test(text))
    throw new InvalidArgumentError(
      'Allowed are 1 to 50 of a-z and -, beginning with a letter. Repeat --policy-role for each.',
    );
}, MAX_NAMES - ROLES.length);

/** One more event type, as `ModelVersionRegistered`. */
export const collectType = collecting((text) => {
  const types = Object.keys(eventTypes());
  if (!types.includes(text))
    throw new InvalidArgumentError(`Repeat --type for each. Allowed are ${types.sort().join(', ')}.`);
});

/** A workspace, as it stands in stream ids. */
export const parseWorkspace = (text: string): string => {
  if (!/^[a-z0-9][a-z0-9_-]{0,62}$/.test(text))
    throw new InvalidArgumentError('Allowed are 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit.');
  return text;
};

/** A workspace that can be made, as MLflow names them. */
export const parseNewWorkspace = (text: string): string => {
  if (!/^[a-z0-9][-a-z0-9]{0,61}[a-z0-9]$/.test(text))
    throw new InvalidArgumentError('Allowed are 2 to 63 of a-z, 0-9 and -, not beginning or ending with -.');
  return text;
};

/** One more workspace. */
export const collectWorkspace = collecting(parseWorkspace, MAX_NAMES + 1);

/** A subscriber: part of a user's and of a consumer's name. */
export const parseSubscriber = (text: string): string => {
  if (!/^[a-z0-9][a-z0-9-]{0,39}$/.test(text))
    throw new InvalidArgumentError('Allowed are 1 to 40 of a-z, 0-9 and -, beginning with a letter or digit.');
  return text;
};

/** One more context. */
export const collectContext = collecting((text) => {
  const names = contexts.map(({ name }) => name);
  if (!names.includes(text))
    throw new InvalidArgumentError(`Repeat --context for each. Allowed are ${names.join(', ')}.`);
});

/** RFC 3339. */
const isTime = (text: string): boolean => z.iso.datetime({ offset: true }).safeParse(text).success;

/** Where a subscriber begins. */
export const parseFrom = (text: string): From => {
  if (text === 'beginning' || text === 'now') return text;
  if (/^[1-9]\d{0,18}$/.test(text) && BigInt(text) <= MAX_POSITION) return { position: BigInt(text) };
  if (isTime(text)) return { time: text };
  throw new InvalidArgumentError(
    'Allowed are beginning, now, a position from 1 on, and a time such as 2026-11-28T12:00:00Z.',
  );
};

/** One more stream, as it stands in the events. */
export const collectStream = collecting((text) => {
  if (!/^[a-z0-9][a-z0-9_-]*\/[a-z]+\/[a-z][a-z-]*\/[^/\s]+$/.test(text))
    throw new InvalidArgumentError(
      'Allowed is the id of a stream, such as default/registry/registered-model/credit. Repeat --stream for each.',
    );
});

/** A file or a directory. What is there is found out where it is used. */
export const parsePath = (text: string): string => {
  if (text.trim() === '') throw new InvalidArgumentError('Allowed is a path.');
  return text;
};

/** One more path. */
export const collectPath = collecting(parsePath);

/** `100..200`: first and last position, both inclusive. */
export const parseRange = (text: string): readonly [number, number] => {
  const [, first = '', last = ''] = /^([1-9]\d{0,14})\.\.([1-9]\d{0,14})$/.exec(text) ?? [];
  if (first === '' || Number(first) > Number(last))
    throw new InvalidArgumentError(
      'Allowed are two positions from 1 on, the first not above the last, such as 100..200.',
    );
  return [Number(first), Number(last)];
};

/** The number of a partition of the log. */
export const parsePartition = (text: string): number => {
  if (!/^(?:0|[1-9]\d{0,8})$/.test(text))
    throw new InvalidArgumentError('Allowed is the number of a partition, from 0.');
  return Number(text);
};

/** A number of days. */
export const parseDays = (text: string): number => {
  if (!/^(?:0|[1-9]\d{0,4})$/.test(text)) throw new InvalidArgumentError('Allowed is a whole number of days, from 0.');
  return Number(text);
};

/** A moment of RFC 3339, as `2026-01-31T00:00:00Z`. */
export const parseTime = (text: string): string => {
  if (!isTime(text)) throw new InvalidArgumentError('Allowed is a time of RFC 3339, such as 2026-01-31T00:00:00Z.');
  return text;
};

/** The address of a server, without what is not sent to it: credentials do not belong into a log. */
export const parseServerUri = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.search !== '' || url.hash !== '')
    throw new InvalidArgumentError('Allowed is an address such as http://mlflow.example:5000, without a query.');
  if (url.username !== '' || url.password !== '')
    throw new InvalidArgumentError('Name and password stand in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.');
  return url.href.replace(/\/+$/, '');
};
