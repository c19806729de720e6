import type { GovernanceEvent } from '@kontor/domain/governance';
import type { CommandMetadata, DomainEvent } from '@kontor/event-sourcing';
import type { PersonalData } from '@kontor/event-store';

/**
 * Destroys a person's keys before the log says so. A crash in between leaves the keys destroyed and nothing said; the same
 * command, or another one, then says it. The other order could leave an event that is not true.
 */
export const destroyKeys =
  (personal: Pick<PersonalData, 'destroy'>) =>
  async (events: readonly DomainEvent[], { workspace }: CommandMetadata): Promise<void> => {
    for (const { type, data } of events as readonly GovernanceEvent[]) {
      if (type === 'SubjectErased') await personal.destroy(workspace, data.subjectId, data.keyVersion);
    }
  };
