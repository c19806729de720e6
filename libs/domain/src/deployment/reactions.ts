import type { ReactionCommand, Reactions, Recorded } from '@kontor/event-sourcing';
import type { z } from 'zod';
import type { GovernanceEvent } from '../governance/events.js';
import type { MonitoringEvent } from '../monitoring/events.js';
import type { RegistryEvent } from '../registry/events.js';
import type { deploymentCommands } from './commands.js';
import { stagingEndpoint } from './staging-endpoint.js';

type Known = GovernanceEvent | MonitoringEvent | RegistryEvent;

type Schemas = typeof deploymentCommands;

const command = <Type extends keyof Schemas & string>(type: Type, data: z.input<Schemas[Type]>): ReactionCommand => ({
  type,
  data,
});

/** Text of an event as a reason: never longer than a reason may be. */
const asReason = (text: string): string => text.slice(0, 5000);

const react = (event: Recorded<Known>): readonly ReactionCommand[] => {
  switch (event.type) {
    case 'ModelVersionRegistered': {
      const { name, version, artifacts } = event.data;
      if (!artifacts?.servable) return [];
      const { manifestDigest, servable } = artifacts;
      const endpoint = stagingEndpoint(name);
      return [command('StageVersion', { endpoint, version: { modelName: name, version, manifestDigest }, servable })];
    }
    case 'GateEvaluated': {
      const { gateId, rolloutId, endpoint, environment, subject, outcome, rules, policy, at } = event.data;
      if (outcome === 'PASS') {
        // The decision holds only as long as nothing was added to the subject after it.
        const own = { stream: event.streamId, version: event.version.toString() };
        const restsOn = [own, ...event.data.restsOn.filter(({ stream }) => stream !== own.stream)];
        const gate = { gateId, rolloutId, endpoint, environment, subject, outcome, policy, at, restsOn };
        return [command('StartRollout', { rolloutId, endpoint, gate })];
      }
      const failed = rules.filter((rule) => rule.outcome !== 'PASS');
      const reasons = failed.map(({ id, title, sentence }) => asReason(`${id} ${title}: ${sentence}`));
      const given = reasons.length > 0 ? reasons : [`The gate decision is ${outcome}.`];
      return [command('RefuseRollout', { rolloutId, endpoint, gateId, reasons: given })];
    }
    case 'AlertRaised': {
      const { severity, endpoint, sentence } = event.data;
      if (severity !== 'critical') return [];
      return [command('AbortRollout', { rolloutId: null, endpoint, reason: asReason(`Critical alert: ${sentence}`) })];
    }
    case 'UseCaseSuspended': {
      const { endpoints, reason, by } = event.data;
      return endpoints.map((endpoint) => command('SuspendEndpoint', { endpoint, reason, onBehalfOf: by }));
    }
    case 'UseCaseResumed': {
      const { endpoints, reason, by } = event.data;
      return endpoints.map((endpoint) => command('ResumeEndpoint', { endpoint, reason, onBehalfOf: by }));
    }
    default:
      return [];
  }
};

/** What the deployment context does about what happened elsewhere. */
export const deploymentReactions: Reactions = {
  canHandle: ['ModelVersionRegistered', 'GateEvaluated', 'AlertRaised', 'UseCaseSuspended', 'UseCaseResumed'],
  // Only the types of `canHandle` are delivered, so the event is one of the known ones.
  react: (event) => react(event as Recorded<Known>),
};
