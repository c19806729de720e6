import { mayAdminister } from '@kontor/event-sourcing';
import { mayCommand, type Principal } from '@kontor/service/process';
import { requestError } from './errors.js';

/**
 * For a principal whose workspace is deleted. As in the MLflow face, who governs and audits goes on.
 *
 * @throws FORBIDDEN for everybody else
 */
export const refuseDeleted = (principal: Principal): void => {
  if (mayCommand(principal) && !mayAdminister(principal.actor))
    throw requestError('FORBIDDEN', `Workspace '${principal.workspace}' not found`);
};
