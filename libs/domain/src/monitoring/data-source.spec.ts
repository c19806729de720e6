import { deciderSpec } from '@kontor/event-sourcing/testing';
import { it } from 'vitest';
import { dataSource } from './data-source.js';
import type { MonitoringEvent } from './events.js';
import { command } from './fixture.js';

const source = {
  ...{ dataSourceId: 'census', name: 'Census', features: ['AGEP'] },
  ...{ businessOwner: 'berta', dataOwner: 'dora' },
};
const registered = (change: Partial<typeof source> = {}): MonitoringEvent => ({
  type: 'DataSourceRegistered',
  data: { ...source, ...change },
});
const register = (change: Partial<typeof source> = {}) => command('RegisterDataSource', { ...source, ...change });
const { given } = deciderSpec(dataSource);

// A registration replaces the one before, so that none is rejected.
it('registers a data source, and again only when something of it changes', () => {
  given([]).when(register()).then([registered()]);
  given([registered()]).when(register()).thenNothing();
  for (const change of [{ dataOwner: 'emil' }, { businessOwner: 'emil' }, { features: ['SCHL'] }, { name: 'ACS' }]) {
    given([registered()])
      .when(register(change))
      .then([registered(change)]);
    given([registered(), registered(change)])
      .when(register())
      .then([registered()]);
  }
});
