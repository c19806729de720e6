import {
  foreignTransactions,
  frozenHolder,
  killedPostgres,
  killedWriters,
  lostAnswers,
  manyWriters,
  skewedClocks,
} from './append.js';
import { equivocation, restoreFork, tampering } from './audit.js';
import { crashLoop, zombie } from './consumers.js';
import { fullDisk } from './disk-full.js';
import { modelBased } from './model.js';
import { amnesia, cutRelay, deletedStore, killedNats, natsAway, relayDuel } from './relay.js';
import { type Report, type Scenario, type Servers, Stage } from './stage.js';

/** The fault tests that are programs of their own, in the order of their numbers. A new one is one line here. */
export const SCENARIOS: readonly Scenario[] = [
  killedPostgres,
  killedNats,
  manyWriters,
  fullDisk,
  lostAnswers,
  killedWriters,
  frozenHolder,
  foreignTransactions,
  relayDuel,
  cutRelay,
  amnesia,
  deletedStore,
  natsAway,
  crashLoop,
  zombie,
  skewedClocks,
  tampering,
  equivocation,
  restoreFork,
  modelBased,
];

/** Runs one on a stage of its own. @throws Skipped, or what the scenario throws: a failure too */
export const play = async (
  scenario: Scenario,
  options: { readonly servers: Servers; readonly seed: number; readonly isShort: boolean },
): Promise<Report> => {
  const stage = new Stage(options.servers, options.seed, options.isShort);
  try {
    return await scenario.run(stage);
  } finally {
    await stage.close();
  }
};
