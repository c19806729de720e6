import { type Decision, reject } from '@kontor/event-sourcing';
import { type KeyValue, PERSONAL_TAGS, type RegistryEvent, type TagTarget } from './events.js';
import type { RegistryRejection } from './rejections.js';

export type Tags = Readonly<Record<string, string>>;

// A key may be any text, also `__proto__`, so tables of tags have no prototype.
const table = (entries: Iterable<readonly [string, string]>): Tags => {
  const tags = Object.create(null) as Record<string, string>;
  for (const [key, value] of entries) tags[key] = value;
  return tags;
};

export const NO_TAGS: Tags = table([]);

/** Keys to values; of a repeated key the last one counts. */
export const tagsOf = (pairs: readonly KeyValue[], before: Tags = NO_TAGS): Tags =>
  table([...Object.entries(before), ...pairs.map(({ key, value }) => [key, value] as const)]);

export const withoutTag = (tags: Tags, key: string): Tags =>
  table(Object.entries(tags).filter(([known]) => known !== key));

/** The tags after an event of the aggregate that they belong to. */
export const evolveTags = (tags: Tags, event: RegistryEvent): Tags => {
  if (event.type === 'TagSet') return tagsOf([event.data], tags);
  if (event.type === 'TagRemoved') return withoutTag(tags, event.data.key);
  return tags;
};

/** What an event may repeat of a tag's value before it; null if there was none, or it is somebody's personal data. */
export const previousValueOf = (tags: Tags, key: string): string | null =>
  PERSONAL_TAGS.includes(key) ? null : (tags[key] ?? null);

/** One `TagSet` per tag whose value changes. */
export const setTags = (target: TagTarget, tags: Tags, pairs: readonly KeyValue[]): readonly RegistryEvent[] =>
  Object.entries(tagsOf(pairs))
    .filter(([key, value]) => tags[key] !== value)
    .map(([key, value]) => ({
      type: 'TagSet',
      data: { target, key, value, previousValue: previousValueOf(tags, key) },
    }));

/** `TagRemoved`, or TAG_UNKNOWN with what MLflow's text names. */
export const removeTag = (target: TagTarget, tags: Tags, key: string): Decision<RegistryEvent, RegistryRejection> => {
  if (tags[key] === undefined) return reject('TAG_UNKNOWN', { ...target, key });
  const previousValue = previousValueOf(tags, key) ?? '';
  return [{ type: 'TagRemoved', data: { target, key, previousValue } }];
};
