import type { Actor } from '@kontor/event-sourcing';
import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import { command } from './fixture.js';
import { workspace } from './workspace.js';

const person = (...roles: string[]): Actor => ({ id: 'ada', kind: 'person', roles });
const admin = person('admin');

const name = 'team-a';
const described = { name, description: 'of the A team', defaultArtifactRoot: null };
const created: RegistryEvent = { type: 'WorkspaceCreated', data: described };
const deleted: RegistryEvent = { type: 'WorkspaceDeleted', data: { name } };

const by = <C extends ReturnType<typeof command>>(sent: C, actor: Actor = admin, from = 'default'): C => ({
  ...sent,
  metadata: { ...sent.metadata, actor, workspace: from },
});
const create = by(command('CreateWorkspace', described));
const change = (description?: string, defaultArtifactRoot?: string | null) =>
  by(command('ChangeWorkspace', { name, description, defaultArtifactRoot }));
const remove = (...holds: { what: string; count: number }[]) => by(command('DeleteWorkspace', { name, holds }));

const { given } = deciderSpec(workspace);

describe('a workspace', () => {
  it('is created once, and again after it was deleted', () => {
    given([]).when(create).then([created]);
    given([created]).when(create).thenRejected('WORKSPACE_EXISTS', { name });
    given([created, deleted]).when(create).then([created]);
  });

  it('is needed for everything else', () => {
    for (const other of [change('x'), remove()]) {
      given([]).when(other).thenRejected('WORKSPACE_UNKNOWN', { name });
      given([created, deleted]).when(other).thenRejected('WORKSPACE_UNKNOWN', { name });
    }
  });

  it('records a change only if something changes, with what was before', () => {
    const changed = (description: string, defaultArtifactRoot: string | null, before: typeof described) => ({
      type: 'WorkspaceChanged' as const,
      data: {
        ...{ name, description, defaultArtifactRoot },
        previousDescription: before.description,
        previousDefaultArtifactRoot: before.defaultArtifactRoot,
      },
    });
    given([created]).when(change()).thenNothing();
    given([created]).when(change('of the A team', null)).thenNothing();
    given([created])
      .when(change('renamed'))
      .then([changed('renamed', null, described)]);
    const rooted = changed('of the A team', 's3://bucket/a', described);
    given([created]).when(change(undefined, 's3://bucket/a')).then([rooted]);
    given([created, rooted])
      .when(change(undefined, null))
      .then([
        {
          ...rooted,
          data: { ...rooted.data, defaultArtifactRoot: null, previousDefaultArtifactRoot: 's3://bucket/a' },
        },
      ]);
  });

  it('is deleted only while it holds nothing', () => {
    given([created]).when(remove()).then([deleted]);
    given([created])
      .when(remove({ what: 'experiments', count: 1 }))
      .thenRejected('WORKSPACE_NOT_EMPTY', { name, holds: [{ what: 'experiments', count: 1 }] });
  });

  it('default is always there: changed, but neither created nor deleted', () => {
    const reserved = { name: 'default' };
    given([])
      .when(by(command('CreateWorkspace', { ...described, ...reserved })))
      .thenRejected('WORKSPACE_RESERVED', reserved);
    given([])
      .when(by(command('DeleteWorkspace', { ...reserved, holds: [] })))
      .thenRejected('WORKSPACE_RESERVED', reserved);
    const changeDefault = by(command('ChangeWorkspace', { ...reserved, description: 'first' }));
    const none = { defaultArtifactRoot: null, previousDescription: '', previousDefaultArtifactRoot: null };
    given([])
      .when(changeDefault)
      .then([{ type: 'WorkspaceChanged', data: { ...reserved, description: 'first', ...none } }]);
  });

  it('is for administrators of default, or the local user of an open installation', () => {
    const local: Actor = { id: 'local:x', kind: 'local', roles: [] };
    given([]).when(by(create, local)).then([created]);
    for (const actor of [person(), person('owner'), person('risk-officer')]) {
      given([])
        .when(by(create, actor))
        .thenRejected('ROLE_REQUIRED', { actor: 'ada', anyOf: ['admin'] });
    }
    for (const sent of [create, change('x'), remove()]) {
      given([created])
        .when(by(sent, admin, 'team-a'))
        .thenRejected('WORKSPACE_ELSEWHERE', { workspace: 'team-a' });
    }
  });

  it.each(['ab', '00', 'a-b', 'a--b', 'team-a', 'x'.repeat(63), 'default'])('may be called %s', (allowed) => {
    expect(registryCommands.DeleteWorkspace.safeParse({ name: allowed, holds: [] }).success).toBe(true);
  });

  it.each([
    '',
    'a',
    'x'.repeat(64),
    'Team',
    'team_a',
    'team.a',
    'team a',
    '-ab',
    'ab-',
    'ä1',
    'a/b',
    '..',
    'ab\n',
    'ab\0',
    'workspaces',
    'api',
    'ajax-api',
    'static-files',
  ])('may not be called %j', (wrong) => {
    expect(registryCommands.CreateWorkspace.safeParse({ ...described, name: wrong }).success).toBe(false);
  });
});
