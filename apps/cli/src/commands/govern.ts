import { governance, type GovernanceCommand } from '@kontor/domain/governance';
import { createEventStore, createPool, keyStoreUrl, PersonalData } from '@kontor/event-store';
import { createLog, DEFAULT_WORKSPACE, ensureKeyEncryptionKey, LOCAL_ACTOR_ID } from '@kontor/service/process';
import { v7 as uuidv7 } from 'uuid';
import type { CliConfig } from '../config.js';
import type { RunFile } from '../supervisor/run-file.js';
import { CommandFailed } from '../usage-error.js';
import { roleUrl } from './log-database.js';

/** The role that may append events of governance. */
const GOVERNANCE = 'kontor_governance';

/** What it takes to be governance: its address of the log, and the folder of the keys. */
export interface Governance {
  readonly url: string;
  readonly keysDir: string;
}

/** How this process becomes governance, beside its running service: with the role's own password. */
export const asGovernance = async (config: Pick<CliConfig, 'keysDir'>, run: RunFile): Promise<Governance> => ({
  url: await roleUrl(config, run, GOVERNANCE),
  keysDir: config.keysDir,
});

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
 * @throws CommandFailed with the code and the sentence of a refusal
 */
export const govern = async <Type extends GovernanceCommand['type']>(
  { url, keysDir }: Governance,
  { type, data, workspace = DEFAULT_WORKSPACE, actor }: GovernOptions<Type>,
): Promise<void> => {
  // Late: no other command waits for Nest to load.
  const { Dispatch, DispatchHandler } = await import('@kontor/service');
  const store = createEventStore(
    { connectionString: url, application_name: 'kontor-cli' },
    { upcasters: governance.upcasters },
  );
  const personal = new PersonalData({
    pool: createPool({ connectionString: keyStoreUrl(url), application_name: 'kontor-cli', max: 1 }),
    kek: await ensureKeyEncryptionKey(keysDir),
  });
  try {
    const reply = await new DispatchHandler(governance, { store, personal, log: createLog('cli') }).execute(
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
    await personal.close();
    await store.close();
  }
};
