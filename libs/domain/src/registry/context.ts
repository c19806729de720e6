import {
  type AnyDecider,
  type Claim,
  type Command,
  type Context,
  type Joint,
  routes,
  type StreamId,
  streamId,
} from '@kontor/event-sourcing';
import { artifactFolder, type FolderCommand } from './artifact-folder.js';
import type { Artifacts } from './artifacts.js';
import { type RegistryCommand, registryCommands } from './commands.js';
import { type RegistryEvent, registryEvents } from './events.js';
import { evaluationDataset, type EvaluationDatasetCommand, type EvaluationDatasetState } from './evaluation-dataset.js';
import { experiment, type ExperimentCommand, type ExperimentState } from './experiment.js';
import { type ImportCommand, importing, type ImportState } from './importing.js';
import { loggedModel, type LoggedModelState, type SentLoggedModelCommand } from './logged-model.js';
import { modelVersion, type ModelVersionCommand, type ModelVersionState } from './model-version.js';
import { registryReactions } from './reactions.js';
import { registeredModel, type RegisteredModelCommand, type RegisteredModelState } from './registered-model.js';
import { type RegistryRejection, registryRejections } from './rejections.js';
import { sameData } from '../values.js';
import { run, type RunState, type SentRunCommand } from './run.js';
import { trace, type TraceCommand, type TraceStreamState } from './trace.js';
import { scorer, type ScorerCommand, scorerIdOf, type ScorerState } from './scorer.js';
import { webhook, type WebhookCommand, type WebhookState } from './webhook.js';
import { workspace, type WorkspaceCommand, type WorkspaceState } from './workspace.js';

const inRegistry = ({ metadata }: Command, aggregate: string, id: string): StreamId =>
  streamId({ workspace: metadata.workspace, context: 'registry', aggregate, id });

type With<Field extends string> = Command<string, Readonly<Record<Field, string>>>;

const experimentStream = (c: With<'experimentId'>) => inRegistry(c, 'experiment', c.data.experimentId);
const runStream = (c: With<'runId'>) => inRegistry(c, 'run', c.data.runId);
const loggedModelStream = (c: With<'loggedModelId'>) => inRegistry(c, 'logged-model', c.data.loggedModelId);
const traceStream = (c: With<'traceId'>) => inRegistry(c, 'trace', c.data.traceId);
const modelStream = (c: With<'modelId'>) => inRegistry(c, 'registered-model', c.data.modelId);
const folderStream = (c: With<'folder'>) => inRegistry(c, 'artifact-folder', c.data.folder);
const importStream = (c: With<'importId'>) => inRegistry(c, 'import', c.data.importId);
/** All of them in one workspace, `default`: the decider refuses what comes from another one. */
const workspaceStream = (c: With<'name'>) => inRegistry(c, 'workspace', c.data.name);
const webhookStream = (c: With<'webhookId'>) => inRegistry(c, 'webhook', c.data.webhookId);
const scorerStream = (c: With<'experimentId' | 'name'>) =>
  inRegistry(c, 'scorer', scorerIdOf(c.metadata.workspace, c.data.experimentId, c.data.name));
const datasetStream = (c: With<'datasetId'>) => inRegistry(c, 'evaluation-dataset', c.data.datasetId);
const versionStream = (c: Command<string, { readonly modelId: string; readonly version: number }>) =>
  inRegistry(c, 'model-version', `${c.data.modelId}-${c.data.version}`);

const ofExperiment = { stream: experimentStream };
const ofRun = { stream: runStream };
const ofLoggedModel = { stream: loggedModelStream };
const ofTrace = { stream: traceStream };
const ofModel = { stream: modelStream };
const ofVersion = { stream: versionStream };
const ofFolder = { stream: folderStream };
const ofImport = { stream: importStream };
const ofScorer = { stream: scorerStream };
const ofDataset = { stream: datasetStream };
const ofWorkspace = { stream: workspaceStream };
const ofWebhook = { stream: webhookStream };

const route = routes<typeof registryCommands>();

type DataOf<Type extends RegistryEvent['type']> = Extract<RegistryEvent, { type: Type }>['data'];

type Names = { readonly name: string; readonly previousName?: string };

/** A claim is one line, and MLflow's names may be several. */
const nameKey = (name: string): string => (name.includes('\n') ? JSON.stringify(name) : name);

/** The name is taken; the one before, if there is one, is freed. */
const renames = (kind: string, stream: StreamId, { name, previousName = name }: Names): readonly Claim[] => [
  ...(previousName === name ? [] : [{ stream, kind, key: nameKey(previousName), take: false }]),
  { stream, kind, key: nameKey(name), take: true },
];

/** The names that undoing these events takes again, and those that it frees. */
const namesBack = (
  stream: StreamId,
  { events }: { readonly events: readonly { readonly type: string; readonly data?: unknown }[] },
): readonly Claim[] =>
  (events as readonly RegistryEvent[]).flatMap((event) => {
    switch (event.type) {
      case 'ExperimentRenamed':
        return renames('experiment', stream, { name: event.data.previousName, previousName: event.data.name });
      case 'RegisteredModelRenamed':
        return renames('registered-model', stream, { name: event.data.previousName, previousName: event.data.name });
      case 'RegisteredModelDeleted':
        return renames('registered-model', stream, { name: event.data.name });
      default:
        return [];
    }
  });

/** Whoever has the files of a new version must have those of its manifest, and notes that they stay what they are. */
const registersFiles = (command: Extract<RegistryCommand, { type: 'RegisterModelVersion' }>): Joint | undefined => {
  const { filesOf, artifacts } = command.data;
  if (filesOf === null) return undefined;
  const { aggregate, ...place } = filesOf;
  const [decider, id] = 'runId' in filesOf ? [run, filesOf.runId] : [loggedModel, filesOf.loggedModelId];
  return {
    // They take this command beside those of their routes.
    decider: decider as unknown as AnyDecider,
    stream: inRegistry(command, aggregate, id),
    command: (decided) => {
      const [registered] = decided as readonly [Extract<RegistryEvent, { type: 'ModelVersionRegistered' }>];
      const { modelId, name: modelName, version } = registered.data;
      const data = { ...place, files: artifacts?.files ?? [], modelId, modelName, version };
      return { type: 'RegisterArtifacts', data, metadata: command.metadata };
    },
  };
};

/** A refusal that is recorded, as its sender learns of it. */
const deletionRefused = ({ target, keptBy }: DataOf<'DeletionRefused'>) => ({
  code: keptBy.some(({ endpoints }) => endpoints.length > 0)
    ? ('VERSION_IN_USE' as const)
    : ('ALIAS_PROTECTED' as const),
  details: { target, keptBy },
});

/**
 * Everything that the registry context allows.
 *
 * Unique in a workspace: experiment names (claims of kind `experiment`), names of registered models and prompts together
 * (`registered-model`). Experiment numbers are unique because the number is the stream's id, and so are, in the whole
 * installation, names of workspaces.
 */
export const registry: Context = {
  name: 'registry',
  events: registryEvents,
  commands: registryCommands,
  routes: {
    ...route<ExperimentState, RegistryEvent, RegistryRejection, ExperimentCommand['type']>(experiment, {
      CreateExperiment: {
        stream: experimentStream,
        claims: (command) => renames('experiment', experimentStream(command), { name: command.data.name }),
      },
      RenameExperiment: {
        stream: experimentStream,
        claims: (command) => renames('experiment', experimentStream(command), command.data),
      },
      DeleteExperiment: ofExperiment,
      RestoreExperiment: ofExperiment,
      SetExperimentTag: ofExperiment,
      RemoveExperimentTag: ofExperiment,
      UndoExperiment: {
        stream: experimentStream,
        claims: (command) => namesBack(experimentStream(command), command.data),
      },
    }),
    ...route<RunState, RegistryEvent, RegistryRejection, SentRunCommand['type']>(run, {
      StartRun: ofRun,
      UpdateRun: ofRun,
      LogRunData: ofRun,
      LogRunModel: ofRun,
      RemoveRunTag: ofRun,
      LogRunInputs: ofRun,
      LogRunOutputs: ofRun,
      DeleteRun: ofRun,
      RestoreRun: ofRun,
      UndoRun: ofRun,
      RecordRunArtifact: ofRun,
      RemoveRunArtifacts: ofRun,
      RefuseRunArtifactWrite: ofRun,
    }),
    ...route<LoggedModelState, RegistryEvent, RegistryRejection, SentLoggedModelCommand['type']>(loggedModel, {
      CreateLoggedModel: ofLoggedModel,
      FinalizeLoggedModel: ofLoggedModel,
      LogLoggedModelParams: ofLoggedModel,
      SetLoggedModelTags: ofLoggedModel,
      RemoveLoggedModelTag: ofLoggedModel,
      DeleteLoggedModel: ofLoggedModel,
      UndoLoggedModel: ofLoggedModel,
      RecordLoggedModelArtifact: ofLoggedModel,
      RemoveLoggedModelArtifacts: ofLoggedModel,
      RefuseLoggedModelArtifactWrite: ofLoggedModel,
    }),
    ...route<TraceStreamState, RegistryEvent, RegistryRejection, TraceCommand['type']>(trace, {
      LogTrace: ofTrace,
      EndTrace: ofTrace,
      LogSpans: ofTrace,
      SetTraceTag: ofTrace,
      RemoveTraceTag: ofTrace,
      LinkTraceToRun: ofTrace,
      LinkTraceToPrompts: ofTrace,
      DeleteTrace: ofTrace,
      CreateAssessment: ofTrace,
      UpdateAssessment: ofTrace,
      DeleteAssessment: ofTrace,
    }),
    ...route<RegisteredModelState, RegistryEvent, RegistryRejection, RegisteredModelCommand['type']>(registeredModel, {
      CreateRegisteredModel: {
        stream: modelStream,
        claims: (command) => renames('registered-model', modelStream(command), { name: command.data.name }),
      },
      RenameRegisteredModel: {
        stream: modelStream,
        claims: (command) => renames('registered-model', modelStream(command), command.data),
      },
      DeleteRegisteredModel: {
        stream: modelStream,
        claims: (command) => [
          { stream: modelStream(command), kind: 'registered-model', key: nameKey(command.data.name), take: false },
        ],
      },
      RestoreRegisteredModel: {
        stream: modelStream,
        claims: (command) => renames('registered-model', modelStream(command), { name: command.data.name }),
      },
      DescribeRegisteredModel: ofModel,
      SetRegisteredModelTag: ofModel,
      RemoveRegisteredModelTag: ofModel,
      SetAlias: ofModel,
      RemoveAlias: ofModel,
      ProtectAlias: ofModel,
      UnprotectAlias: ofModel,
      RegisterModelVersion: { stream: modelStream, joint: registersFiles },
      ChangeStage: ofModel,
      DeleteModelVersion: ofModel,
      RestoreModelVersion: ofModel,
      UndoRegisteredModel: { stream: modelStream, claims: (command) => namesBack(modelStream(command), command.data) },
    }),
    ...route<ModelVersionState, RegistryEvent, RegistryRejection, ModelVersionCommand['type']>(modelVersion, {
      DescribeModelVersion: ofVersion,
      SetModelVersionTag: ofVersion,
      RemoveModelVersionTag: ofVersion,
      UndoModelVersion: ofVersion,
    }),
    ...route<Artifacts, RegistryEvent, RegistryRejection, FolderCommand['type']>(artifactFolder, {
      RecordFolderArtifact: ofFolder,
      RemoveFolderArtifacts: ofFolder,
    }),
    ...route<ScorerState, RegistryEvent, RegistryRejection, ScorerCommand['type']>(scorer, {
      RegisterScorer: ofScorer,
      DeleteScorerVersions: ofScorer,
      ConfigureOnlineScoring: ofScorer,
    }),
    ...route<EvaluationDatasetState, RegistryEvent, RegistryRejection, EvaluationDatasetCommand['type']>(
      evaluationDataset,
      {
        CreateEvaluationDataset: ofDataset,
        DeleteEvaluationDataset: ofDataset,
        SetEvaluationDatasetTags: ofDataset,
        RemoveEvaluationDatasetTag: ofDataset,
        AddExperimentsToEvaluationDataset: ofDataset,
        RemoveExperimentsFromEvaluationDataset: ofDataset,
        MergeEvaluationDatasetRecords: ofDataset,
        DeleteEvaluationDatasetRecords: ofDataset,
      },
    ),
    ...route<ImportState, RegistryEvent, RegistryRejection, ImportCommand['type']>(importing, {
      StartImport: ofImport,
      CompleteImport: ofImport,
    }),
    ...route<WorkspaceState, RegistryEvent, RegistryRejection, WorkspaceCommand['type']>(workspace, {
      CreateWorkspace: ofWorkspace,
      ChangeWorkspace: ofWorkspace,
      DeleteWorkspace: ofWorkspace,
    }),
    ...route<WebhookState, RegistryEvent, RegistryRejection, WebhookCommand['type']>(webhook, {
      CreateWebhook: ofWebhook,
      ChangeWebhook: ofWebhook,
      DeleteWebhook: ofWebhook,
      RedeliverWebhook: ofWebhook,
      AbandonWebhookDelivery: ofWebhook,
    }),
  },
  // Version 2 stores personal values encrypted. Readers see a text in both.
  upcasters: {
    ExperimentCreated: [sameData],
    RunStarted: [sameData],
    RunDataLogged: [sameData],
    LoggedModelCreated: [sameData],
    RegisteredModelCreated: [sameData],
    ModelVersionRegistered: [sameData],
    TagSet: [sameData],
  },
  reactions: registryReactions,
  rejections: registryRejections,
  refusals: {
    DeletionRefused: (data) => deletionRefused(data as DataOf<'DeletionRefused'>),
    ArtifactWriteRefused: (data) => ({ code: 'ARTIFACT_IMMUTABLE', details: data as DataOf<'ArtifactWriteRefused'> }),
    AliasChangeRefused: (data) => ({ code: 'ALIAS_PROTECTED', details: data as DataOf<'AliasChangeRefused'> }),
  },
};
