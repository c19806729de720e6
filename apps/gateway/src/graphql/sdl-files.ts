import { fileURLToPath } from 'node:url';

/** One SDL file per context, and one for what they share. Read from `src` also by the built program: nothing is copied. */
export const SDL_FILES: readonly string[] = [
  'graphql/common.graphql',
  'registry/registry.graphql',
  'deployment/deployment.graphql',
  'monitoring/monitoring.graphql',
  'governance/governance.graphql',
].map((path) => fileURLToPath(new URL(`../../src/${path}`, import.meta.url)));
