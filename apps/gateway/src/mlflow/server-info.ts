import { endpoint, type Endpoint } from './endpoint.js';

/** The version of MLflow's server whose protocol this face follows; `/version` says it too. */
export const MLFLOW_VERSION = '3.18.0';

/** What clients ask before uploads and for workspaces: `server-info`, and those that do not know it yet `server-features`. */
export const serverInfoEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    version: 3,
    path: '/mlflow/server-info',
    expires: true,
    fields: {},
    handle: async (_, { parts }) => ({
      store_type: 'SqlStore',
      workspaces_enabled: true,
      artifact_serving_enabled: true,
      multipart_uploads_enabled: parts.artifacts.direct !== undefined,
      multipart_downloads_enabled: parts.artifacts.direct !== undefined,
      presigned_upload_run_id_supported: false,
      presigned_upload_model_id_supported: false,
      model_artifact_presigned_downloads_supported: false,
      artifacts_presigned_only: false,
      trace_archival_enabled: false,
      features_enabled: { gateway: false, scheduled_issue_detection: false },
      tracking_auth: '',
    }),
  }),
  endpoint({
    method: 'GET',
    version: 3,
    path: '/mlflow/server-features',
    expires: true,
    fields: {},
    handle: async () => ({ workspaces_enabled: true }),
  }),
];
