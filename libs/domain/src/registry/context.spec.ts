import { describe, expect, it } from 'vitest';
import { registry } from './context.js';
import { command, experimentData, modelId, registeredModelData } from './fixture.js';

describe('the registry context', () => {
  it('routes every command', () => {
    expect(Object.keys(registry.routes).sort()).toEqual(Object.keys(registry.commands).sort());
  });

  const claimsOf = (sent: ReturnType<typeof command>) =>
    registry.routes[sent.type]?.claims?.(sent).map(({ kind, key, take }) => `${take ? '+' : '-'} ${kind} ${key}`);

  it('takes the name of an experiment, and frees the one before', () => {
    const rename = (name: string) => command('RenameExperiment', { experimentId: '1', name, previousName: 'scoring' });
    expect(claimsOf(command('CreateExperiment', experimentData))).toEqual(['+ experiment scoring']);
    expect(claimsOf(rename('pricing'))).toEqual(['- experiment scoring', '+ experiment pricing']);
    expect(claimsOf(rename('scoring'))).toEqual(['+ experiment scoring']);
    expect(claimsOf(rename('two\nlines'))).toEqual(['- experiment scoring', '+ experiment "two\\nlines"']);
    expect(claimsOf(command('DeleteExperiment', { experimentId: '1', madeInto: [], keptBy: [] }))).toBeUndefined();
  });

  it('takes the name of a registered model, and frees it with a deletion', () => {
    const kind = 'registered-model';
    expect(claimsOf(command('CreateRegisteredModel', registeredModelData))).toEqual([`+ ${kind} credit`]);
    expect(claimsOf(command('RenameRegisteredModel', { modelId, name: 'pricing', previousName: 'credit' }))).toEqual([
      `- ${kind} credit`,
      `+ ${kind} pricing`,
    ]);
    expect(claimsOf(command('DeleteRegisteredModel', { modelId, name: 'credit', served: [] }))).toEqual([
      `- ${kind} credit`,
    ]);
    expect(claimsOf(command('RestoreRegisteredModel', { modelId, name: 'credit' }))).toEqual([`+ ${kind} credit`]);
  });

  it('says of a recorded refusal what it was refused for', () => {
    const target = { aggregate: 'run', runId: 'r' };
    const kept = (endpoints: string[], aliases: string[]) => ({
      target,
      keptBy: [{ modelName: 'credit', version: 1, endpoints, aliases }],
      by: 'ada',
    });
    const codeOf = (type: string, data: object) => registry.refusals?.[type]?.(data).code;
    expect(codeOf('DeletionRefused', kept(['scoring'], ['champion']))).toBe('VERSION_IN_USE');
    expect(codeOf('DeletionRefused', kept([], ['champion']))).toBe('ALIAS_PROTECTED');
    expect(codeOf('AliasChangeRefused', { alias: 'champion' })).toBe('ALIAS_PROTECTED');
    expect(codeOf('ArtifactWriteRefused', { path: 'a' })).toBe('ARTIFACT_IMMUTABLE');
  });

  it('takes and frees names again when that is undone', () => {
    const kind = 'registered-model';
    const back = (type: string, data: object) =>
      claimsOf(command('UndoRegisteredModel', { modelId, position: '7', events: [{ type, data }], taken: [] }));
    expect(back('RegisteredModelRenamed', { modelId, name: 'pricing', previousName: 'credit' })).toEqual([
      `- ${kind} pricing`,
      `+ ${kind} credit`,
    ]);
    expect(back('RegisteredModelDeleted', { modelId, name: 'credit' })).toEqual([`+ ${kind} credit`]);
    expect(back('AliasSet', {})).toEqual([]);
  });
});
