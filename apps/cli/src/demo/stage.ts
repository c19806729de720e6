import { readFile } from 'node:fs/promises';
import { DEFAULT_WORKSPACE } from '@kontor/service/process';
import type { CliConfig } from '../config.js';
import { signPersonToken } from '../sign-token.js';
import type { RunFile } from '../supervisor/run-file.js';
import { type Doors, Visitor } from './doors.js';
import { Narrator } from './narrator.js';

/** Who plays: each person has a token of their own, because a gate tells people apart and nothing else. */
const CAST = {
  ada: ['data-scientist'],
  emil: ['analyst'],
  vera: ['validator'],
  rolf: ['risk-officer'],
  otto: ['operator'],
  audrey: ['auditor'],
} as const;
export type Person = keyof typeof CAST;

/** A registered version with what a rollout and an evaluation need of it. */
export interface StagedVersion {
  readonly modelName: string;
  readonly version: number;
  readonly manifestDigest: string;
}

/** Names of one telling. A second telling in the same installation gets names of its own. */
export interface Names {
  readonly model: string;
  readonly rules: string;
  readonly endpoint: string;
  readonly useCase: string;
  readonly monitor: string;
  readonly dataSource: string;
  readonly experiment: string;
}

export interface Stage {
  readonly config: CliConfig;
  readonly addresses: RunFile['addresses'];
  readonly doors: Doors;
  readonly narrator: Narrator;
  readonly people: Readonly<Record<Person, Visitor>>;
  readonly names: Names;
}

// The story takes minutes; a token of an hour leaves room for a slow machine.
const TOKEN_TTL_MS = 3_600_000;

const namesOf = (telling: number): Names => {
  const suffix = telling === 1 ? '' : `-${telling}`;
  return {
    model: `employment${suffix}`,
    rules: `employment-rules${suffix}`,
    endpoint: `job-placement${suffix}`,
    useCase: `job-placement${suffix}`,
    monitor: `job-placement${suffix}`,
    dataSource: `census-feed${suffix}`,
    experiment: `employment${suffix}`,
  };
};

const isFree = async (visitor: Visitor, { model }: Names): Promise<boolean> => {
  const query = 'query($name: String!) { registeredModel(name: $name) { name } }';
  return (await visitor.graphql<{ registeredModel: object | null }>(query, { name: model })).registeredModel === null;
};

/** Signs the cast in and finds names that no earlier telling has used. */
export const setStage = async (
  config: CliConfig,
  addresses: RunFile['addresses'],
  print: (line: string) => void,
): Promise<Stage> => {
  const doors: Doors = { gatewayUrl: addresses.gateway, servingUrl: addresses.serving };
  const entries = Object.entries(CAST).map(async ([actor, roles]) => {
    const subject = { actor, roles, workspace: DEFAULT_WORKSPACE, ttlMs: TOKEN_TTL_MS };
    return [actor, new Visitor(doors, actor, await signPersonToken(config.keysDir, subject, Date.now()))] as const;
  });
  const people = Object.fromEntries(await Promise.all(entries)) as Record<Person, Visitor>;
  let telling = 1;
  while (!(await isFree(people.ada, namesOf(telling)))) telling++;
  return { config, addresses, doors, narrator: new Narrator(print), people, names: namesOf(telling) };
};

/** A file of the demo's data: CSV by year, models with their golden rows and lineage. */
export const demoFile = (path: string): URL => new URL(`../../demo/employment/${path}`, import.meta.url);

export const readDemoJson = async <T>(path: string): Promise<T> =>
  JSON.parse(await readFile(demoFile(path), 'utf8')) as T;
