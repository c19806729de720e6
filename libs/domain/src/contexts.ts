import type { Context, Upcasters } from '@kontor/event-sourcing';
import { deployment } from './deployment/index.js';
import { governance } from './governance/index.js';
import { monitoring } from './monitoring/index.js';
import { registry } from './registry/index.js';

/** The four contexts, in the order of a model's life. */
export const contexts: readonly Context[] = [registry, deployment, monitoring, governance];

/** Of every event type: who reads the log meets the events of all contexts, in all their versions. */
export const upcasters: Upcasters = Object.assign({}, ...contexts.map((context) => context.upcasters)) as Upcasters;
