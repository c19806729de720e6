import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { governance } from './context.js';
import type { GovernanceEvent } from './events.js';
import { command, id, OTHER_SERVICE } from './fixture.js';
import { incident } from './incident.js';

const data = {
  ...{ incidentId: id(1), useCaseId: 'credit', endpoint: 'credit', severity: 'critical' as const },
  ...{ reason: 'wrong prices', alertId: null },
};
const opened: GovernanceEvent = { type: 'IncidentOpened', data };
const { given } = deciderSpec(incident);

describe('an incident', () => {
  it('is opened by anybody, with or without a role', () => {
    given([]).when(command('OpenIncident', data)).then([opened]);
    given([])
      .when(command('OpenIncident', data, OTHER_SERVICE))
      .then([opened]);
  });

  it('is opened once: a second time changes nothing of it', () => {
    given([opened])
      .when(command('OpenIncident', { ...data, severity: 'warning' }))
      .thenNothing();
  });

  it('has a stream of its own', () => {
    const route = governance.routes['OpenIncident'];
    expect(route?.stream(command('OpenIncident', data))).toBe(`default/governance/incident/${id(1)}`);
  });

  it('says why it was opened', () => {
    const schema = governance.commands['OpenIncident'];
    expect(schema?.safeParse(data).success).toBe(true);
    expect(schema?.safeParse({ ...data, reason: ' ' }).error?.issues).toMatchObject([
      { path: ['reason'], message: 'must say why' },
    ]);
  });
});
