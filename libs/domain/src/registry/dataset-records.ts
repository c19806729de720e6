import type { CommandOf } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import { inEvents } from './event-size.js';
import type { DatasetField, DatasetRecord, KeyValue, RegistryEvent } from './events.js';
import { type Levels, valueIn, withEntries } from './levels.js';
import { type Tags, tagsOf } from './tags.js';

type Merge = CommandOf<typeof registryCommands, 'MergeEvaluationDatasetRecords'>['data'];
type Merged = Extract<RegistryEvent, { type: 'EvaluationDatasetRecordsMerged' }>['data'];
type Updated = Merged['updated'][number];

/** What later records are compared with. Inputs need not be kept: the id of a record follows from them. */
interface KnownRecord {
  readonly outputs: string | null;
  readonly expectations: Tags;
  readonly tags: Tags;
}

export interface KnownRecords {
  /** {@link fieldId} of each field of the schema. */
  readonly fields: Levels<true>;
  /** By id; null where it was deleted. */
  readonly records: Levels<KnownRecord | null>;
}

const fieldId = ({ group, key }: DatasetField): string => (key === null ? group : `${group} ${key}`);

const asKnown = ({
  outputs,
  expectations,
  tags,
}: Omit<DatasetRecord, 'recordId' | 'inputs' | 'source'>): KnownRecord => ({
  outputs,
  expectations: tagsOf(expectations ?? []),
  tags: tagsOf(tags),
});

const withUpdate = (known: KnownRecord, { outputs = known.outputs, expectations, tags }: Updated): KnownRecord => ({
  outputs,
  expectations: tagsOf(expectations, known.expectations),
  tags: tagsOf(tags, known.tags),
});

const changed = (pairs: readonly KeyValue[], known: Tags): KeyValue[] =>
  pairs.filter(({ key, value }) => known[key] !== value);

/** What MLflow gives a new record that brings no outputs at all. */
const NO_OUTPUTS = '{}';

/**
 * What of a batch of records is new, in as many events as its size asks for; none if nothing is.
 *
 * A record with the inputs of a known one adds to its expectations and tags and replaces its outputs, if it brings some.
 *
 * @source MLflow 3.17.2, `upsert_dataset_records` of mlflow/store/tracking/sqlalchemy_store.py.
 */
export const mergeRecords = ({ datasetId, fields, records }: Merge, known: KnownRecords): readonly RegistryEvent[] => {
  // Also of the batch itself: a later record may be about an earlier one.
  const seen = new Map<string, KnownRecord>();
  const items: { readonly field?: DatasetField; readonly inserted?: DatasetRecord; readonly updated?: Updated }[] =
    fields.filter((field) => valueIn(known.fields, fieldId(field)) === undefined).map((field) => ({ field }));
  for (const record of records) {
    const { recordId, outputs, expectations, tags } = record;
    const before = seen.get(recordId) ?? valueIn(known.records, recordId) ?? null;
    if (before === null) {
      const inserted = { ...record, outputs: outputs === undefined ? NO_OUTPUTS : outputs };
      items.push({ inserted });
      seen.set(recordId, asKnown(inserted));
      continue;
    }
    const updated: Updated = {
      recordId,
      ...(outputs !== undefined && outputs !== before.outputs && { outputs }),
      expectations: changed(expectations ?? [], before.expectations),
      tags: changed(tags, before.tags),
    };
    if (!('outputs' in updated) && updated.expectations.length + updated.tags.length === 0) continue;
    items.push({ updated });
    seen.set(recordId, withUpdate(before, updated));
  }
  return inEvents(items).map((piece) => ({
    type: 'EvaluationDatasetRecordsMerged',
    data: {
      datasetId,
      fields: piece.flatMap(({ field }) => field ?? []),
      inserted: piece.flatMap(({ inserted }) => inserted ?? []),
      updated: piece.flatMap(({ updated }) => updated ?? []),
    },
  }));
};

/** Those of the ids whose records are there, each once. */
export const presentRecords = ({ records }: KnownRecords, recordIds: readonly string[]): string[] =>
  [...new Set(recordIds)].filter((recordId) => (valueIn(records, recordId) ?? null) !== null);

/** The records after an event of their dataset. */
export const evolveRecords = (known: KnownRecords, event: RegistryEvent): KnownRecords => {
  switch (event.type) {
    case 'EvaluationDatasetRecordsMerged': {
      const { fields, inserted, updated } = event.data;
      const changes = new Map(inserted.map((record) => [record.recordId, asKnown(record)]));
      for (const update of updated) {
        const before = changes.get(update.recordId) ?? valueIn(known.records, update.recordId) ?? null;
        if (before === null) throw new Error(`an update of the record ${update.recordId}, which is not there`);
        changes.set(update.recordId, withUpdate(before, update));
      }
      return {
        fields: withEntries(
          known.fields,
          fields.map((field) => [fieldId(field), true]),
        ),
        records: withEntries<KnownRecord | null>(known.records, changes),
      };
    }
    case 'EvaluationDatasetRecordsDeleted':
      return {
        ...known,
        records: withEntries<KnownRecord | null>(
          known.records,
          event.data.recordIds.map((recordId) => [recordId, null]),
        ),
      };
    default:
      return known;
  }
};
