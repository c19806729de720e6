// Streams as released versions recorded them, never edited: what is in the log is read by every later program.
import { readdirSync, readFileSync } from 'node:fs';
import { type AnyDecider, type DomainEvent, fold, newestVersion, parseStreamId, upcast } from '@kontor/event-sourcing';
import { describe, expect, it } from 'vitest';
import { contexts } from './contexts.js';

/** A command of each aggregate: its route names the decider that folds the aggregate's streams. */
const COMMANDS: Readonly<Record<string, string>> = {
  experiment: 'CreateExperiment',
  run: 'StartRun',
  'logged-model': 'CreateLoggedModel',
  trace: 'LogTrace',
  'registered-model': 'CreateRegisteredModel',
  'model-version': 'DescribeModelVersion',
  'artifact-folder': 'RecordFolderArtifact',
  workspace: 'CreateWorkspace',
  webhook: 'CreateWebhook',
  scorer: 'RegisterScorer',
  'evaluation-dataset': 'CreateEvaluationDataset',
  import: 'StartImport',
  endpoint: 'CreateEndpoint',
  baseline: 'RequestBaseline',
  evaluation: 'RequestEvaluation',
  monitor: 'DefineMonitor',
  'data-source': 'RegisterDataSource',
  'ground-truth': 'ReceiveGroundTruth',
  'use-case': 'RegisterUseCase',
  policy: 'ActivatePolicy',
  subject: 'RecordAuthorship',
  recheck: 'RecheckGates',
  incident: 'OpenIncident',
  'legal-hold': 'PlaceLegalHold',
  person: 'EraseSubject',
  'log-archive': 'RecordLogArchived',
};

interface Line extends DomainEvent {
  /** Absent in files of one stream, which the context's own spec folds. */
  readonly streamId?: string;
  /** Absent where it is 1. */
  readonly schemaVersion?: number;
}

const read = (context: string): readonly Line[] => {
  const directory = new URL(`${context}/histories/`, import.meta.url);
  return readdirSync(directory).flatMap((name) =>
    readFileSync(new URL(name, directory), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line),
  );
};

describe.each(contexts)('the recorded histories of $name', (context) => {
  const { name, events, routes, upcasters } = context;
  const lines = read(name);
  const lifted = lines.map((line) => ({
    ...line,
    data: upcast(upcasters, line.type, line.schemaVersion ?? 1, line.data),
  }));

  it('hold every event in every schema version', () => {
    const recorded = new Set(lines.map(({ type, schemaVersion = 1 }) => `${type}@${schemaVersion}`));
    const wanted = Object.keys(events).flatMap((type) =>
      Array.from({ length: newestVersion(upcasters, type) }, (_, n) => `${type}@${n + 1}`),
    );
    expect(wanted.filter((version) => !recorded.has(version))).toEqual([]);
  });

  it('are, lifted to the newest version, what its schema says, field by field', () => {
    for (const { type, data } of lifted) expect(events[type]?.parse(data), type).toEqual(data);
  });

  it('fold with the decider of their aggregate, and every decider has a stream', () => {
    const streams = Map.groupBy(
      lifted.filter(({ streamId }) => streamId !== undefined),
      ({ streamId = '' }) => streamId,
    );
    const folded = new Set<AnyDecider>();
    for (const [streamId, stream] of streams) {
      const { aggregate } = parseStreamId(streamId);
      const decider = routes[COMMANDS[aggregate] ?? '']?.decider;
      if (decider === undefined) throw new Error(`${streamId}: COMMANDS names no command of ${aggregate}`);
      expect(fold(decider, stream), streamId).not.toBe(decider.initialState);
      folded.add(decider);
    }
    expect(folded).toEqual(new Set(Object.values(routes).map(({ decider }) => decider)));
  });
});
