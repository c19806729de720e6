import { hash } from 'node:crypto';
import { RESERVED_WORKSPACES } from '@kontor/domain/registry';
import { invalid } from './errors.js';
import { asciiJson } from './json.js';

/**
 * The id of what a command makes, so that the same command makes the same thing again. 32 hex digits: MLflow's form of a run
 * id, and behind `m-` of a logged model's. A hash, because people know ids by their first digits, which in a command id
 * are a time.
 */
export const hexIdOf = (commandId: string): string => hash('sha256', commandId).slice(0, 32);

const ADJECTIVES =
  'amber brisk calm clever eager gentle keen lucid mellow nimble plain quiet rapid solid steady vivid'.split(' ');
const NOUNS =
  'anchor badger beacon cedar falcon harbor heron ledger lynx maple meadow otter quartz river summit willow'.split(' ');

/** A name for what a command makes and was given none: `steady-otter-417`. */
export const nameOf = (commandId: string): string => {
  const drawn = hash('sha256', `name of ${commandId}`, 'buffer');
  const [adjective, noun] = [drawn.readUInt16BE(0) % ADJECTIVES.length, drawn.readUInt16BE(2) % NOUNS.length];
  return `${ADJECTIVES[adjective]}-${NOUNS[noun]}-${drawn.readUInt32BE(4) % 1000}`;
};

// Letters and digits of all scripts, as Python's \w.
const KEY = /^[/\p{L}\p{N}_.\- :]*$/u;
const ALIAS = /^[\p{L}\p{N}_-]*$/u;

/** Characters of a model's or version's description: Kontor's own limit. */
export const DESCRIPTION_LIMIT = 100_000;

/** Code points, as MLflow counts. */
const length = (text: string): number => [...text].length;

/** @throws MlflowError if the text is longer than allowed. */
export const atMost = (limit: number, field: string, text: string): string => {
  if (text.length > limit && length(text) > limit)
    throw invalid(`'${field}' exceeds the maximum length of ${limit} characters`);
  return text;
};

/** Cuts what MLflow cuts instead of refusing. */
export const cut = (limit: number, text: string): string =>
  // A character has at most two units, so this much of a long text is enough.
  text.length > limit ? [...text.slice(0, 2 * limit)].slice(0, limit).join('') : text;

/** Tags of one request: of a repeated key the last one counts. */
export const lastOfEachKey = <Pair extends { readonly key: string }>(pairs: readonly Pair[]): readonly Pair[] => [
  ...new Map(pairs.map((pair) => [pair.key, pair])).values(),
];

/**
 * The key of a metric, param or tag.
 *
 * @param path of the field in the request, as the refusal names it: `key`, `metrics[0].name`.
 * @param label how the refusal of a long key calls it.
 * @throws MlflowError for a character that is not allowed, or a key that would be another path when read as one.
 * @source MLflow 3.18.0, names of metrics, params and tags.
 */
export const checkedKey = (path: string, key: string, label = path): string => atMost(250, label, askedKey(path, key));

/** As {@link checkedKey}, of a key that is only looked for, which may be longer than any that is kept. */
export const askedKey = (path: string, key: string): string => {
  if (!KEY.test(key)) {
    throw invalid(
      `Invalid value ${asciiJson(key)} for parameter '${path}' supplied: Names may only contain alphanumerics, ` +
        'underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).',
    );
  }
  const normal = normalisedPath(key);
  if (normal !== key || normal === '.' || normal.startsWith('..') || normal.startsWith('/')) {
    throw invalid(
      `Invalid value ${asciiJson(key)} for parameter '${path}' supplied: Names may be treated as files in certain cases, ` +
        `and must not resolve to other names when treated as such. This name would resolve to '${normal}'`,
    );
  }
  return key;
};

/** Python's `posixpath.normpath`. */
const normalisedPath = (path: string): string => {
  const rooted = path.startsWith('/');
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '..' || !rooted) parts.push(part);
  }
  return (rooted ? '/' : '') + parts.join('/') || '.';
};

/** Tags of a registered model or a version. @throws MlflowError for a key or value that MLflow refuses. */
export const registryTags = (pairs: readonly { readonly key: string; readonly value: string | undefined }[]) =>
  lastOfEachKey(
    pairs.map(({ key, value = '' }) => ({ key: checkedKey('key', key), value: atMost(100_000, 'value', value) })),
  );

/** @throws MlflowError for an alias that MLflow refuses. */
export const checkedAlias = (alias: string): string => {
  if (!ALIAS.test(alias)) {
    throw invalid(
      `Invalid alias name: '${alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-).`,
    );
  }
  return atMost(255, 'Registered model alias name', alias);
};

/** @throws MlflowError for a text that is no model's name. */
export const askedModelName = (name: string, path = 'name'): string => {
  if (name.trim() === '') throw invalid(`Missing value for required parameter '${path}'.`);
  if (/[/:]/.test(name)) throw invalid(`Invalid model name '${name}'. Names cannot contain '/' or ':'.`);
  return name;
};

/** @throws MlflowError for a name that no model can be given. */
export const checkedModelName = (name: string, path = 'name'): string =>
  atMost(256, 'name', askedModelName(name, path));

/** @source MLflow 3.18.0, `WorkspaceNameValidator`. @throws MlflowError for what no workspace can be called. */
export const checkedWorkspaceName = (name: string): string => {
  if (length(name) < 2 || length(name) > 63)
    throw invalid(`Workspace name '${name}' must be between 2 and 63 characters.`);
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name)) {
    throw invalid(
      `Workspace name '${name}' must match the pattern ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ ` +
        '(lowercase alphanumeric with optional internal hyphens).',
    );
  }
  if (RESERVED_WORKSPACES.includes(name)) throw invalid(`Workspace name '${name}' is reserved and cannot be used.`);
  return name;
};

/** @param path of the field in the request. @throws MlflowError for what no logged model can have as its id. */
export const checkedLoggedModelId = (path: string, id: string): string => {
  if (/^m-[0-9a-f]{32}$/.test(id)) return id;
  throw invalid(`Invalid value ${asciiJson(id)} for parameter '${path}' supplied: must be m- and 32 hex digits.`);
};

/** A version number as clients write it. @throws MlflowError if it is none. */
export const versionNumberOf = (version: string): number => {
  // Beyond what a number holds exactly there is no version: any other number without one says the same.
  if (/^-?\d+$/.test(version)) return Number(version);
  throw invalid(`Parameter 'version' must be an integer, got '${version}'.`);
};

/** MLflow's times are milliseconds since 1970. */
export const toMs = (recordedAt: string): number => Date.parse(recordedAt);

/** An int64 of the wire as a number. @throws MlflowError beyond 2^53, which no step or time reaches. */
export const safeInteger = (path: string, value: bigint): number => {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw invalid(`Invalid value ${value} for parameter '${path}' supplied: must lie between -(2^53 - 1) and 2^53 - 1.`);
};

/**
 * Milliseconds since 1970 of a time that protobuf knows.
 *
 * @source google/protobuf/timestamp.proto: the years 1 to 9999.
 * @throws MlflowError for any other.
 */
export const timeMs = (path: string, value: bigint): number => {
  if (value >= -62_135_596_800_000n && value <= 253_402_300_799_999n) return Number(value);
  throw invalid(`Invalid value ${value} for parameter '${path}' supplied: must be a time of the years 1 to 9999.`);
};
