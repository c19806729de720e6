import { type CommandOf, type Decider, fold, isRejected } from '@kontor/event-sourcing';
import { metadata } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import type { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import { experiment } from './experiment.js';
import {
  command,
  experimentData,
  file,
  loggedModelData,
  loggedModelId,
  modelId,
  registeredModelData,
  runData,
  versionData,
} from './fixture.js';
import { loggedModel, type LoggedModelCommand } from './logged-model.js';
import { modelVersion } from './model-version.js';
import { registeredModel } from './registered-model.js';
import type { RegistryRejection } from './rejections.js';
import { run, type RunCommand } from './run.js';

type AnyCommand = CommandOf<typeof registryCommands> | RunCommand | LoggedModelCommand;
type AnyDecider<State, Sent extends AnyCommand> = Decider<State, Sent, RegistryEvent, RegistryRejection>;

const undone = (events: readonly RegistryEvent[], taken: string[] = []) => ({
  position: '7',
  events: [...events],
  taken,
});

/**
 * What is done on a stream and undone: `after` plays commands, `undo` undoes the events of one of them.
 *
 * @param undoOf the command that undoes these events.
 * @param seen what of the state a reader can see.
 */
const stream = <State, Sent extends AnyCommand>(
  decider: AnyDecider<State, Sent>,
  begun: readonly RegistryEvent[],
  undoOf: (events: readonly RegistryEvent[], taken?: string[]) => NoInfer<Sent>,
  seen: (state: State) => unknown = (state) => state,
) => {
  const play = (events: readonly RegistryEvent[], sent: Sent): readonly RegistryEvent[] => {
    const decision = decider.decide(sent, fold(decider, events));
    if (isRejected(decision)) throw new Error(`${sent.type}: ${decision.rejection.code}`);
    return decision;
  };
  const after = (commands: readonly Sent[]) => {
    const events = [...begun];
    for (const sent of commands) events.push(...play(events, sent));
    return events;
  };
  return {
    /** Undoing the last command leads to the state before it. */
    comesBack: (last: Sent, ...before: readonly Sent[]): void => {
      const events = after(before);
      const done = play(events, last);
      expect(done.length, last.type).toBeGreaterThan(0);
      const back = play([...events, ...done], undoOf(done));
      const now = fold(decider, [...events, ...done, ...back]);
      expect(seen(now), last.type).toEqual(seen(fold(decider, events)));
      // And nothing is undone twice.
      const again = decider.decide(undoOf(done), now);
      expect(again, last.type).toMatchObject({ rejection: { code: 'UNDO_CONFLICT' } });
    },
    /** Why undoing a command fails after later ones. */
    fails: (done: Sent, later: readonly Sent[] = [], before: readonly Sent[] = [], taken: string[] = []) => {
      const events = after(before);
      const recorded = play(events, done);
      const all = [...events, ...recorded];
      for (const sent of later) all.push(...play(all, sent));
      const decision = decider.decide(undoOf(recorded, taken), fold(decider, all));
      if (!isRejected(decision)) throw new Error(`${done.type} was undone`);
      const { code, details } = decision.rejection;
      const { problems } = details as { readonly problems: readonly { readonly reason: string }[] };
      return { code, reasons: problems.map(({ reason }) => reason), changes: details['changes'] };
    },
  };
};

describe('of a registered model', () => {
  const { comesBack, fails } = stream(
    registeredModel,
    [{ type: 'RegisteredModelCreated', data: registeredModelData }],
    (events, taken) => command('UndoRegisteredModel', { modelId, ...undone(events, taken) }),
    (state) => {
      if (state.status === 'None') return state;
      // Names that it had are remembered, and so are versions that are again as they were registered.
      const { names: _, changed, ...shown } = state;
      return { ...shown, changed: [...changed].filter(([, one]) => one.deleted || one.stage !== 'None') };
    },
  );
  const register = command('RegisterModelVersion', versionData);
  const setAlias = (version: number, alias = 'champion') => command('SetAlias', { modelId, alias, version });
  const removeAlias = command('RemoveAlias', { modelId, alias: 'champion' });
  const rename = (name: string, previousName = 'credit') =>
    command('RenameRegisteredModel', { modelId, name, previousName });
  const setTag = (value: string) => command('SetRegisteredModelTag', { modelId, key: 'team', value });
  const removeTag = command('RemoveRegisteredModelTag', { modelId, key: 'team' });
  const describeAs = (description: string) => command('DescribeRegisteredModel', { modelId, description });
  const stage = (version: number, archiveExistingVersions = false) =>
    command('ChangeStage', { modelId, version, stage: 'Production', archiveExistingVersions });
  const removeVersion = (version: number) => command('DeleteModelVersion', { modelId, version, served: [] });
  const remove = command('DeleteRegisteredModel', { modelId, name: 'credit', served: [] });
  const protect = {
    ...command('ProtectAlias', { modelId, alias: 'champion' }),
    metadata: metadata({ actor: { id: 'olga', kind: 'person', roles: ['owner'] } }),
  };

  it('tags, aliases, descriptions, names and stages come back', () => {
    comesBack(setTag('fraud'));
    comesBack(command('SetRegisteredModelTag', { modelId, key: 'new', value: 'x' }));
    comesBack(removeTag);
    comesBack(describeAs('scores'));
    comesBack(setAlias(1), register);
    comesBack(setAlias(2), register, register, setAlias(1));
    comesBack(removeAlias, register, setAlias(1));
    comesBack(stage(2, true), register, register, stage(1));
  });

  it('a deleted model and a deleted version come back with all that they had', () => {
    comesBack(remove, register, setAlias(1), describeAs('scores'));
    comesBack(removeVersion(1), register, stage(1), setAlias(1), setAlias(1, 'other'));
  });

  it('a name comes back, unless it was changed or taken since', () => {
    comesBack(rename('pricing'));
    expect(fails(rename('pricing'), [rename('loans', 'pricing')])).toMatchObject({
      code: 'UNDO_CONFLICT',
      reasons: ['the name was changed since'],
    });
    expect(fails(rename('pricing'), [], [], ['credit']).reasons).toEqual(['something else has the name "credit" now']);
    expect(fails(remove, [], [], ['credit']).reasons).toEqual(['something else has the name "credit" now']);
  });

  it('what was changed since is not overwritten', () => {
    const reasons = (...of: Parameters<typeof fails>) => fails(...of).reasons;
    expect(reasons(setTag('fraud'), [setTag('churn')])).toEqual(['the tag "team" was changed since']);
    expect(reasons(removeTag, [setTag('churn')])).toEqual(['the tag "team" was changed since']);
    expect(reasons(describeAs('a'), [describeAs('b')])).toEqual(['the description was changed since']);
    expect(reasons(setAlias(1), [setAlias(2)], [register, register])).toEqual([
      'the alias "champion" was changed since',
    ]);
    expect(reasons(setAlias(2), [removeVersion(1)], [register, register, setAlias(1)])).toEqual([
      'version 1 was deleted since',
    ]);
    expect(reasons(setTag('fraud'), [remove])).toEqual(['the model was deleted since']);
  });

  it('one problem keeps the whole command as it is, and the rest is shown', () => {
    const found = fails(removeVersion(1), [setAlias(2)], [register, register, setAlias(1), setAlias(1, 'other')]);
    expect(found.code).toBe('UNDO_CONFLICT');
    expect(found.reasons).toEqual(['the alias "champion" was changed since']);
    expect((found.changes as RegistryEvent[]).map(({ type }) => type)).toEqual(['ModelVersionRestored', 'AliasSet']);
  });

  it('what was made is not undone, and a protected alias only by who may release', () => {
    expect(fails(register)).toMatchObject({
      code: 'UNDO_IMPOSSIBLE',
      reasons: ['what was made is deleted instead'],
    });
    expect(fails(setAlias(1), [protect], [register])).toMatchObject({
      code: 'UNDO_IMPOSSIBLE',
      reasons: ['the alias is protected: only owner and admin move it'],
    });
    expect(fails(protect).code).toBe('UNDO_IMPOSSIBLE');
  });

  it('an event of another stream, or none, undoes nothing', () => {
    const state = fold(registeredModel, [{ type: 'RegisteredModelCreated', data: registeredModelData }]);
    const decision = registeredModel.decide(command('UndoRegisteredModel', { modelId, ...undone([]) }), state);
    expect(decision).toMatchObject({ rejection: { code: 'NOTHING_TO_UNDO' } });
  });
});

describe('of a version', () => {
  const own = { modelId, version: 1 };
  const { comesBack, fails } = stream(modelVersion, [], (events) =>
    command('UndoModelVersion', { ...own, ...undone(events) }),
  );
  const tag = (value: string, knownValue: string | null = null) =>
    command('SetModelVersionTag', { ...own, key: 'team', value, knownValue });
  const describeAs = (description: string) =>
    command('DescribeModelVersion', { ...own, description, knownDescription: '' });

  it('tags and descriptions come back, also to what it was registered with', () => {
    const state = (...events: RegistryEvent[]) => fold(modelVersion, events);
    const described = { modelId, version: 1, description: 'a', previousDescription: '' };
    const back = modelVersion.decide(
      command('UndoModelVersion', { ...own, ...undone([{ type: 'ModelVersionDescribed', data: described }]) }),
      state({ type: 'ModelVersionDescribed', data: described }),
    );
    expect(back).toEqual([
      { type: 'ModelVersionDescribed', data: { ...described, description: '', previousDescription: 'a' } },
    ]);
    comesBack(tag('b'), tag('a'));
    comesBack(describeAs('b'), describeAs('a'));
    comesBack(command('RemoveModelVersionTag', { ...own, key: 'team', knownValue: null }), tag('a'));
  });

  it('what was changed since is not overwritten', () => {
    expect(fails(tag('a'), [tag('b')]).reasons).toEqual(['the tag "team" was changed since']);
    expect(fails(describeAs('a'), [describeAs('b')]).reasons).toEqual(['the description was changed since']);
  });
});

describe('of an experiment', () => {
  const { experimentId } = experimentData;
  const { comesBack, fails } = stream(
    experiment,
    [{ type: 'ExperimentCreated', data: experimentData }],
    (events, taken) => command('UndoExperiment', { experimentId, ...undone(events, taken) }),
  );
  const rename = command('RenameExperiment', { experimentId, name: 'b', previousName: 'scoring' });
  const remove = command('DeleteExperiment', { experimentId, madeInto: [], keptBy: [] });

  it('names, tags and the deletion come back', () => {
    comesBack(rename);
    comesBack(remove);
    comesBack(command('SetExperimentTag', { experimentId, key: 'team', value: 'x' }));
    comesBack(command('RemoveExperimentTag', { experimentId, key: 'team' }));
  });

  it('its runs come back as they were', () => {
    const deleted: RegistryEvent = { type: 'ExperimentDeleted', data: { experimentId } };
    const state = fold(experiment, [{ type: 'ExperimentCreated', data: experimentData }, deleted]);
    expect(experiment.decide(command('UndoExperiment', { experimentId, ...undone([deleted]) }), state)).toEqual([
      { type: 'ExperimentRestored', data: { experimentId, keepsDeletedRuns: true } },
    ]);
  });

  it('what was changed since is not overwritten', () => {
    expect(fails(rename, [remove]).reasons).toEqual(['the experiment was deleted since']);
    expect(fails(rename, [], [], ['scoring']).reasons).toEqual(['something else has the name "scoring" now']);
    const restore = command('RestoreExperiment', { experimentId });
    expect(fails(restore, [], [remove]).reasons).toEqual(['what was restored is deleted again instead']);
  });
});

describe('of a run', () => {
  const { runId } = runData;
  const { comesBack, fails } = stream(run, [{ type: 'RunStarted', data: runData }], (events) =>
    command('UndoRun', { runId, ...undone(events) }),
  );
  const log = (key: string, value: string) =>
    command('LogRunData', { runId, metrics: [], params: [], tags: [{ key, value }] });
  const remove = command('DeleteRun', { runId, madeInto: [], keptBy: [] });
  const update = (name: string | null, status: 'FINISHED' | null = null) =>
    command('UpdateRun', { runId, status, endTimeMs: null, name });

  it('names, tags and the deletion come back', () => {
    comesBack(update('b'));
    comesBack(remove);
    comesBack(log('team', 'x'));
    comesBack(log('new', 'x'));
    comesBack(log('mlflow.runName', 'b'));
    comesBack(command('RemoveRunTag', { runId, key: 'team' }));
  });

  it('what was logged stays, and so does what only a client knows', () => {
    const metric = {
      ...{ key: 'loss', value: 1, isNaN: false, timestampMs: 1, step: 0 },
      ...{ loggedModelId: null, datasetName: null, datasetDigest: null },
    };
    const logged = command('LogRunData', { runId, metrics: [metric], params: [], tags: [] });
    expect(fails(logged).reasons).toEqual(['metrics and params are only ever added']);
    expect(fails(update(null, 'FINISHED')).reasons).toEqual(['it is a fact that a client reported']);
    expect(fails(log('mlflow.user', 'bob')).reasons).toEqual([
      'the value before is personal, and stands only in the event that set it',
    ]);
    expect(fails(command('RecordRunArtifact', { runId, ...file('a'), deletedVersions: [] })).reasons).toEqual([
      'files are stored and removed again instead',
    ]);
  });

  it('what was changed since is not overwritten', () => {
    expect(fails(log('team', 'x'), [log('team', 'y')]).reasons).toEqual(['the tag "team" was changed since']);
    expect(fails(update('b'), [remove]).reasons).toEqual(['the run was deleted since']);
  });
});

it('of a logged model tags come back, and its deletion stays, as in MLflow', () => {
  const { comesBack, fails } = stream(loggedModel, [{ type: 'LoggedModelCreated', data: loggedModelData }], (events) =>
    command('UndoLoggedModel', { loggedModelId, ...undone(events) }),
  );
  const tags = (value: string) => command('SetLoggedModelTags', { loggedModelId, tags: [{ key: 'team', value }] });
  comesBack(tags('x'));
  comesBack(command('RemoveLoggedModelTag', { loggedModelId, key: 'team' }));
  expect(fails(tags('x'), [tags('y')]).reasons).toEqual(['the tag "team" was changed since']);
  expect(fails(command('DeleteLoggedModel', { loggedModelId, madeInto: [], keptBy: [] })).code).toBe('UNDO_IMPOSSIBLE');
});
