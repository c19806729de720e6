import { governance, type GovernanceEvent, legalHoldStream } from '@kontor/domain/governance';
import { createEventStore, holdsOn } from '@kontor/event-store';
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { print } from '../print.js';
import { govern, type Governance } from './govern.js';
import { requireWorkspace } from './log-database.js';

interface HoldOptions {
  readonly workspace: string;
  readonly reason: string;
  readonly actor?: string | undefined;
}

/** `kontor hold add`: nothing that may be evidence of the workspace is removed from now on. @returns the id of the hold */
export const addHold = async (governance: Governance, { workspace, reason, actor }: HoldOptions): Promise<string> => {
  const holdId = uuidv7();
  await govern(governance, { type: 'PlaceLegalHold', data: { holdId, reason }, workspace, actor });
  return holdId;
};

/** `kontor hold remove <id>`: also of one that is released already. @throws CommandFailed if the workspace has no such hold */
export const removeHold = async (
  governance: Governance,
  holdId: string,
  { workspace, reason, actor }: HoldOptions,
): Promise<void> => {
  await govern(governance, { type: 'ReleaseLegalHold', data: { holdId, reason }, workspace, actor });
  print(`released ${holdId}`);
};

/** `kontor hold list`: the holds that are placed, with who placed them, when and why. @throws CommandFailed if there is no such workspace */
export const listHolds = async (
  pool: pg.Pool,
  { workspace, json }: { workspace?: string | undefined; json: boolean },
): Promise<void> => {
  if (workspace !== undefined) await requireWorkspace(pool, workspace);
  const store = createEventStore(pool, { upcasters: governance.upcasters });
  const holds = await holdsOn(pool, workspace);
  if (holds.length === 0 && !json) print(`no legal hold is placed${workspace === undefined ? '' : ` on ${workspace}`}`);
  for (const hold of holds) {
    for await (const event of store.readStream(legalHoldStream(hold.workspace, hold.holdId))) {
      const { type, data } = event as Pick<GovernanceEvent, 'type' | 'data'>;
      if (type !== 'LegalHoldPlaced') continue;
      const { reason, by } = data as Extract<GovernanceEvent, { type: 'LegalHoldPlaced' }>['data'];
      const { workspace: place, holdId } = hold;
      const { recordedAt } = event;
      if (json) print(JSON.stringify({ workspace: place, holdId, by, reason, placedAt: recordedAt }));
      else print(`${place.padEnd(20)}  ${holdId}  ${recordedAt}  ${by}: ${reason}`);
    }
  }
  await store.close();
};
