import type { Reactions } from '@kontor/event-sourcing';

/**
 * The registry answers no event: versions are registered, moved and deleted by people and their tools only. What serves
 * is named in the commands that delete.
 */
export const registryReactions: Reactions = { canHandle: [], react: () => [] };
