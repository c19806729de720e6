import { governance, type GovernanceCommand } from '@kontor/domain/governance';
import { createEventStore } from '@kontor/event-store';
import { createLog, DEFAULT_WORKSPACE, LOCAL_ACTOR_ID } from '@kontor/service/process';
import { v7 as uuidv7 } from 'uuid';
import { CommandFailed } from '../usage-error.js';

/** The role that may append events of governance. */
export const GOVERNANCE = 'kontor_governance';

type DataOf<Type extends GovernanceCommand['type']> = Extract<GovernanceCommand, { type: Type }>['data'];

export interface GovernOptions<Type extends GovernanceCommand['type']> {
  readonly type: Type;
  readonly data: DataOf<Type>;
  readonly workspace?: string;
  /** Who says so; default: whoever runs the installation. */
  readonly actor?: string | undefined;
}

/**
 * Has governance decide one command in this process, as its service would, and append what follows. For whoever holds the
 * keys directory, who could sign for any person with any role.
 *
 * @param governanceUrl of the log's database for {@link GOVERNANCE}
 * @throws CommandFailed with the code and the sentence of a refusal
 */
export const govern = async <Type extends GovernanceCommand['type']>(
  governanceUrl: string,
  { type, data, workspace = DEFAULT_WORKSPACE, actor }: GovernOptions<Type>,
): Promise<void> => {
  // Late: no other command waits for Nest to load.
  const { Dispatch, DispatchHandler } = await import('@kontor/service');
  const store = createEventStore(
    { connectionString: governanceUrl, application_name: 'kontor-cli' },
    { upcasters: governance.upcasters },
  );
  try {
    const reply = await new DispatchHandler(governance, store, createLog('cli')).execute(
      new Dispatch({
        type,
        data,
        metadata: {
          commandId: uuidv7(),
          correlationId: uuidv7(),
          workspace,
          now: new Date().toISOString(),
          actor:
            actor === undefined
              ? { id: LOCAL_ACTOR_ID, kind: 'local', roles: [] }
              : { id: actor, kind: 'person', roles: ['admin'] },
        },
      }),
    );
    if (reply.outcome !== 'accepted') throw new CommandFailed(`${reply.message} (${reply.code})`);
  } finally {
    await store.close();
  }
};
