import type { GovernanceEvent } from '@kontor/domain/governance';
import { type CommandMetadata, type DomainEvent, reject, type Rejected } from '@kontor/event-sourcing';
import { OnLegalHold } from '@kontor/event-store';
import type { ServiceParts } from '@kontor/service';

/**
 * Destroys a person's keys before the log says so. A crash in between leaves the keys destroyed and nothing said; the same
 * command, or another one, then says it. The other order could leave an event that is not true.
 *
 * @returns LEGAL_HOLD if a hold was placed since the command was given its facts: nothing is destroyed
 */
export const destroyKeys =
  ({ pool, personal }: Pick<ServiceParts, 'pool' | 'personal'>) =>
  async (events: readonly DomainEvent[], { workspace }: CommandMetadata): Promise<Rejected | undefined> => {
    for (const { type, data } of events as readonly GovernanceEvent[]) {
      if (type !== 'SubjectErased') continue;
      try {
        await personal.destroy(pool, workspace, data.subjectId, data.keyVersion);
      } catch (error) {
        if (error instanceof OnLegalHold) return reject('LEGAL_HOLD', { legalHolds: [...error.legalHolds] });
        throw error;
      }
    }
    return undefined;
  };
