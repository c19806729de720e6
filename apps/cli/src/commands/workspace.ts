import { z } from 'zod';
import { askMlflow } from '../ask-mlflow.js';
import { print } from '../print.js';

/** The gateway, with a token of an administrator of `default`. */
export interface Door {
  readonly url: string;
  readonly token: string;
}

const workspace = z.object({ name: z.string(), description: z.string().default('') });
const PATH = '3.0/mlflow/workspaces';
const pathOf = (name: string): string => `${PATH}/${encodeURIComponent(name)}`;

/** `kontor workspace create <name>`. @throws CommandFailed with the reason why it is refused */
export const createWorkspace = async (
  door: Door,
  body: { readonly name: string; readonly description?: string | undefined },
): Promise<void> => {
  const { name } = body;
  await askMlflow({ ...door, method: 'POST', path: PATH, body, data: z.object({ workspace }) });
  print(`${name} is made: export MLFLOW_TRACKING_URI=${door.url}/workspaces/${name}`);
};

/** `kontor workspace describe <name> <text>`. @throws CommandFailed with the reason why it is refused */
export const describeWorkspace = async (door: Door, name: string, description: string): Promise<void> => {
  await askMlflow({
    ...door,
    method: 'PATCH',
    path: pathOf(name),
    body: { description },
    data: z.object({ workspace }),
  });
  print(`${name} is described`);
};

/** `kontor workspace delete <name>`. @throws CommandFailed with the reason, such as what it still holds */
export const deleteWorkspace = async (door: Door, name: string): Promise<void> => {
  await askMlflow({ ...door, method: 'DELETE', path: pathOf(name), data: z.object({}) });
  print(`${name} is deleted`);
};

/** `kontor workspace list`: by name. */
export const listWorkspaces = async (door: Door, { json }: { readonly json: boolean }): Promise<void> => {
  const data = z.object({ workspaces: z.array(workspace) });
  const { workspaces } = await askMlflow({ ...door, method: 'GET', path: PATH, data });
  for (const { name, description } of workspaces)
    print(json ? JSON.stringify({ name, description }) : `${name.padEnd(20)}  ${description}`.trimEnd());
};
