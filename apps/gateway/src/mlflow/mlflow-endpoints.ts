/**
 * The 190 method and path pairs that MLflow registers below `/api/`, by area: version, methods, path. `{name}` is one part of a
 * path, `*` all that follow.
 *
 * @source MLflow 3.17.2, `mlflow.server.handlers.get_endpoints`; 3.18.0 registers as many.
 */
export const MLFLOW_ENDPOINTS = {
  Experiments: `
    2 POST /mlflow/experiments/create
    2 POST /mlflow/experiments/delete
    2 POST /mlflow/experiments/delete-experiment-tag
    2 GET /mlflow/experiments/get
    2 GET /mlflow/experiments/get-by-name
    2 POST /mlflow/experiments/restore
    2 GET POST /mlflow/experiments/search
    2 POST /mlflow/experiments/set-experiment-tag
    2 POST /mlflow/experiments/update
  `,
  Runs: `
    2 POST /mlflow/runs/create
    2 POST /mlflow/runs/delete
    2 POST /mlflow/runs/delete-tag
    2 GET /mlflow/runs/get
    2 POST /mlflow/runs/log-batch
    2 POST /mlflow/runs/log-inputs
    2 POST /mlflow/runs/log-metric
    2 POST /mlflow/runs/log-model
    2 POST /mlflow/runs/log-parameter
    2 POST /mlflow/runs/outputs
    2 POST /mlflow/runs/restore
    2 POST /mlflow/runs/search
    2 POST /mlflow/runs/set-tag
    2 POST /mlflow/runs/update
  `,
  'Metric history': `
    2 GET /mlflow/metrics/get-history
    2 GET /mlflow/metrics/get-history-bulk-interval
  `,
  'Artifacts of a run': `
    2 GET /mlflow/artifacts/list
    2 POST /mlflow/artifacts/presigned-download-url
    2 POST /mlflow/artifacts/presigned-upload-url
  `,
  'Logged models': `
    2 POST /mlflow/logged-models
    2 POST /mlflow/logged-models/search
    2 GET PATCH DELETE /mlflow/logged-models/{model_id}
    2 GET /mlflow/logged-models/{model_id}/artifacts/directories
    2 POST /mlflow/logged-models/{model_id}/params
    2 PATCH /mlflow/logged-models/{model_id}/tags
    2 DELETE /mlflow/logged-models/{model_id}/tags/{tag_key}
  `,
  'Registered models': `
    2 GET POST DELETE /mlflow/registered-models/alias
    2 POST /mlflow/registered-models/create
    2 DELETE /mlflow/registered-models/delete
    2 DELETE /mlflow/registered-models/delete-tag
    2 GET /mlflow/registered-models/get
    2 GET POST /mlflow/registered-models/get-latest-versions
    2 POST /mlflow/registered-models/rename
    2 GET /mlflow/registered-models/search
    2 POST /mlflow/registered-models/set-tag
    2 PATCH /mlflow/registered-models/update
  `,
  'Model versions': `
    2 POST /mlflow/model-versions/create
    2 DELETE /mlflow/model-versions/delete
    2 DELETE /mlflow/model-versions/delete-tag
    2 GET /mlflow/model-versions/get
    2 GET /mlflow/model-versions/get-download-uri
    2 GET /mlflow/model-versions/search
    2 POST /mlflow/model-versions/set-tag
    2 POST /mlflow/model-versions/transition-stage
    2 PATCH /mlflow/model-versions/update
  `,
  'Artifact proxy': `
    2 GET /mlflow-artifacts/artifacts
    2 GET PUT DELETE /mlflow-artifacts/artifacts/*
    2 POST /mlflow-artifacts/mpu/abort/*
    2 POST /mlflow-artifacts/mpu/complete/*
    2 POST /mlflow-artifacts/mpu/create/*
    2 GET /mlflow-artifacts/presigned/*
  `,
  Webhooks: `
    2 GET POST /mlflow/webhooks
    2 GET PATCH DELETE /mlflow/webhooks/{webhook_id}
    2 POST /mlflow/webhooks/{webhook_id}/test
  `,
  'Workspaces and server': `
    3 GET /mlflow/server-info
    3 GET POST /mlflow/workspaces
    3 GET PATCH DELETE /mlflow/workspaces/{workspace_name}
  `,
  'Traces and assessments': `
    2 GET POST /mlflow/traces
    3 POST /mlflow/traces
    3 GET /mlflow/traces/batchGet
    3 POST /mlflow/traces/batchGetInfos
    3 POST /mlflow/traces/calculate-filter-correlation
    2 POST /mlflow/traces/delete-traces
    3 POST /mlflow/traces/delete-traces
    3 GET /mlflow/traces/get
    2 POST /mlflow/traces/link-prompts
    2 POST /mlflow/traces/link-to-run
    3 POST /mlflow/traces/metrics
    3 POST /mlflow/traces/search
    2 PATCH /mlflow/traces/{request_id}
    2 GET /mlflow/traces/{request_id}/info
    2 PATCH DELETE /mlflow/traces/{request_id}/tags
    3 GET /mlflow/traces/{trace_id}
    3 POST /mlflow/traces/{trace_id}/assessments
    3 GET PATCH DELETE /mlflow/traces/{trace_id}/assessments/{assessment_id}
    3 PATCH DELETE /mlflow/traces/{trace_id}/tags
  `,
  'Evaluation datasets': `
    3 POST /mlflow/datasets/create
    3 GET POST /mlflow/datasets/search
    3 GET DELETE /mlflow/datasets/{dataset_id}
    3 POST /mlflow/datasets/{dataset_id}/add-experiments
    3 GET /mlflow/datasets/{dataset_id}/experiment-ids
    3 GET POST DELETE /mlflow/datasets/{dataset_id}/records
    3 POST /mlflow/datasets/{dataset_id}/remove-experiments
    3 PATCH /mlflow/datasets/{dataset_id}/tags
    3 DELETE /mlflow/datasets/{dataset_id}/tags/{key}
  `,
  Scorers: `
    3 DELETE /mlflow/scorers/delete
    3 GET /mlflow/scorers/get
    3 GET /mlflow/scorers/list
    3 PUT /mlflow/scorers/online-config
    3 GET /mlflow/scorers/online-configs
    3 POST /mlflow/scorers/register
    3 GET /mlflow/scorers/versions
  `,
  'AI gateway': `
    3 POST /mlflow/gateway/budgets/create
    3 DELETE /mlflow/gateway/budgets/delete
    3 GET /mlflow/gateway/budgets/get
    3 GET /mlflow/gateway/budgets/list
    3 POST /mlflow/gateway/budgets/update
    3 GET /mlflow/gateway/budgets/windows
    3 POST /mlflow/gateway/endpoints/bindings/create
    3 DELETE /mlflow/gateway/endpoints/bindings/delete
    3 GET /mlflow/gateway/endpoints/bindings/list
    3 POST /mlflow/gateway/endpoints/create
    3 DELETE /mlflow/gateway/endpoints/delete
    3 DELETE /mlflow/gateway/endpoints/delete-tag
    3 GET /mlflow/gateway/endpoints/get
    3 GET /mlflow/gateway/endpoints/list
    3 POST /mlflow/gateway/endpoints/models/attach
    3 POST /mlflow/gateway/endpoints/models/detach
    3 POST /mlflow/gateway/endpoints/set-tag
    3 POST /mlflow/gateway/endpoints/update
    3 POST /mlflow/gateway/guardrails/add-to-endpoint
    3 POST /mlflow/gateway/guardrails/create
    3 DELETE /mlflow/gateway/guardrails/delete
    3 GET /mlflow/gateway/guardrails/get
    3 GET /mlflow/gateway/guardrails/list
    3 GET /mlflow/gateway/guardrails/list-for-endpoint
    3 DELETE /mlflow/gateway/guardrails/remove-from-endpoint
    3 PATCH /mlflow/gateway/guardrails/update-config
    3 POST /mlflow/gateway/model-definitions/create
    3 DELETE /mlflow/gateway/model-definitions/delete
    3 GET /mlflow/gateway/model-definitions/get
    3 GET /mlflow/gateway/model-definitions/list
    3 POST /mlflow/gateway/model-definitions/update
    3 POST /mlflow/gateway/secrets/create
    3 DELETE /mlflow/gateway/secrets/delete
    3 GET /mlflow/gateway/secrets/get
    3 GET /mlflow/gateway/secrets/list
    3 POST /mlflow/gateway/secrets/update
  `,
  'Prompt optimization': `
    3 POST /mlflow/prompt-optimization/jobs
    3 GET POST /mlflow/prompt-optimization/jobs/search
    3 GET DELETE /mlflow/prompt-optimization/jobs/{job_id}
    3 POST /mlflow/prompt-optimization/jobs/{job_id}/cancel
  `,
  'Issues, labels and reviews': `
    3 POST /mlflow/issues
    3 POST /mlflow/issues/search
    3 GET PATCH /mlflow/issues/{issue_id}
    3 POST /mlflow/label-schemas/create
    3 DELETE /mlflow/label-schemas/delete
    3 GET /mlflow/label-schemas/get
    3 GET /mlflow/label-schemas/get-by-name
    3 GET /mlflow/label-schemas/list
    3 PATCH /mlflow/label-schemas/update
    3 POST /mlflow/review-queues/create
    3 POST /mlflow/review-queues/delete
    3 GET /mlflow/review-queues/get
    3 GET /mlflow/review-queues/get-by-name
    3 POST /mlflow/review-queues/get-or-create-user
    3 POST /mlflow/review-queues/items/add
    3 GET /mlflow/review-queues/items/list
    3 POST /mlflow/review-queues/items/remove
    3 POST /mlflow/review-queues/items/set-status
    3 GET /mlflow/review-queues/list
    3 POST /mlflow/review-queues/update
  `,
  'Without a handler in MLflow': `
    2 GET /mlflow/get-online-trace-details
    2 GET /mlflow/unified-traces
    2 POST mlflow/experiments/search-datasets
  `,
} as const;

export type Area = keyof typeof MLFLOW_ENDPOINTS;
