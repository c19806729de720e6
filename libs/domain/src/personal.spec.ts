import { countPersonal, eventJsonSchema, PERSONAL_ANNOTATION } from '@kontor/event-sourcing';
import { describe, expect, it } from 'vitest';
import { contexts } from './contexts.js';
import { PERSONAL_TAGS } from './registry/events.js';
import { previousValueOf, setTags, tagsOf } from './registry/tags.js';

const marked = contexts.flatMap((context) =>
  Object.entries(context.events).map(([type, schema]) => {
    const text = JSON.stringify(eventJsonSchema(context, type));
    return { type, found: countPersonal(schema), written: text.split(`"${PERSONAL_ANNOTATION}"`).length - 1 };
  }),
);

describe('personal data in events', () => {
  it('is marked where the service looks for it: a mark elsewhere would be plain text in the log', () => {
    expect(marked.filter(({ found, written }) => found !== written)).toEqual([]);
  });

  it('stands in these events', () => {
    expect(marked.filter(({ found }) => found > 0).map(({ type }) => type)).toEqual([
      'ExperimentCreated',
      'RunStarted',
      'RunDataLogged',
      'LoggedModelCreated',
      'EvaluationDatasetCreated',
      'EvaluationDatasetTagsSet',
      'EvaluationDatasetRecordsMerged',
      'RegisteredModelCreated',
      'ModelVersionRegistered',
      'TraceLogged',
      'TraceEnded',
      'SpansLogged',
      'TraceTagSet',
      'AssessmentCreated',
      'AssessmentUpdated',
      'TagSet',
      'AlertAcknowledged',
      'ApprovalGiven',
      'ApprovalRevoked',
    ]);
  });

  it('is not repeated by the event that replaces it, which may be of another person', () => {
    const tags = tagsOf([...PERSONAL_TAGS.map((key) => ({ key, value: 'ada' })), { key: 'team', value: 'risk' }]);
    expect([...PERSONAL_TAGS, 'team', 'new'].map((key) => previousValueOf(tags, key))).toEqual([
      null,
      null,
      'risk',
      null,
    ]);
    expect(setTags({ aggregate: 'run', runId: 'r' }, tags, [{ key: 'mlflow.user', value: 'bob' }])).toMatchObject([
      { data: { value: 'bob', previousValue: null } },
    ]);
  });
});
