import { DEFAULT_WORKSPACE, LOCAL_ACTOR_ID } from '@kontor/service/process';
import { type Command, Option } from 'commander';
import { importMlflow } from '../commands/import-mlflow.js';
import { parseActor, parseServerUri, parseWorkspace } from '../parse-arguments.js';
import { UsageError } from '../usage-error.js';
import { gatewayUrl, ownToken, running } from './running.js';

interface ImportOptions {
  readonly from: string;
  readonly workspace: string;
  readonly username?: string;
  readonly password?: string;
  readonly token?: string;
  readonly withoutArtifacts?: true;
  readonly actor: string;
}

/** As MLflow's client sends it: a token counts for more than a name, and what is empty is not set. */
const authorizationOf = ({ username = '', password = '', token = '' }: ImportOptions): string | undefined => {
  if (token !== '') return `Bearer ${token}`;
  if ((username === '') !== (password === ''))
    throw new UsageError('MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD: both are needed, or neither');
  return username === '' ? undefined : `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
};

/** A token lives for a minute, an import for hours. */
const TOKEN_USED_MS = 30_000;

/** What comes from elsewhere. */
export const importVerbs = (kontor: Command, setExitCode: (code: number) => void): void => {
  const importing = kontor.command('import').description('take over what another registry holds, with its history');

  importing
    .command('mlflow')
    .description('from a tracking server of MLflow 2 or 3; run again, it goes on where it was, and takes what is new')
    .requiredOption('--from <uri>', 'the tracking URI of the source', parseServerUri)
    .option('--workspace <name>', 'where to', parseWorkspace, DEFAULT_WORKSPACE)
    .addOption(new Option('--username <name>', 'of the source').env('MLFLOW_TRACKING_USERNAME'))
    .addOption(new Option('--password <text>', 'of the source').env('MLFLOW_TRACKING_PASSWORD'))
    .addOption(new Option('--token <token>', 'of the source').env('MLFLOW_TRACKING_TOKEN'))
    .option('--without-artifacts', 'leave out the files')
    .option('--actor <name>', 'who does it', parseActor, LOCAL_ACTOR_ID)
    .action(async (given: ImportOptions) => {
      const authorization = authorizationOf(given);
      const found = await running();
      const { from, workspace, actor, withoutArtifacts } = given;
      const person = { actor, roles: ['admin'], workspace: DEFAULT_WORKSPACE, moreWorkspaces: [workspace] };
      let signed = { token: '', atMs: Number.NEGATIVE_INFINITY };
      const token = async () => {
        const nowMs = performance.now();
        if (nowMs - signed.atMs > TOKEN_USED_MS) signed = { token: await ownToken(found, person), atMs: nowMs };
        return signed.token;
      };
      const to = `${gatewayUrl(found)}${workspace === DEFAULT_WORKSPACE ? '' : `/workspaces/${workspace}`}`;
      setExitCode(await importMlflow({ from, authorization, to, token, withArtifacts: !withoutArtifacts }));
    });
};
