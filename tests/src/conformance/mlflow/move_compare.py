"""Compares two servers through the unmodified client, value by value: arguments are the source and the destination.

Prints one line per difference, and ends with 1 if there is one.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"

import mlflow
from mlflow import MlflowClient
from mlflow.entities import ViewType

source_uri, here_uri = sys.argv[1:3]
differences = []


def same(what: str, source: object, here: object) -> None:
    if repr(source) != repr(here):
        differences.append(f"{what}: {source!r} at the source, {here!r} here")


def all_pages(search, **request) -> list:
    found, token = [], None
    while True:
        page = search(page_token=token, **request)
        found.extend(page)
        token = page.token
        if not token:
            return found


def fields(entity: object, *names: str) -> dict:
    return {name: getattr(entity, name, None) for name in names}


def points(client: MlflowClient, run_id: str, key: str) -> list:
    history = client.get_metric_history(run_id, key)
    return sorted(((m.timestamp, m.step, repr(m.value)) for m in history))


def files(client: MlflowClient, uri: str, run_id: str) -> dict:
    if not client.list_artifacts(run_id):
        return {}
    mlflow.set_tracking_uri(uri)
    folder = Path(tempfile.mkdtemp())
    client.download_artifacts(run_id, "", str(folder))
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def snapshot(uri: str) -> dict:
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient(uri, uri)
    seen: dict = {}
    experiments = all_pages(client.search_experiments, view_type=ViewType.ALL)
    for experiment in experiments:
        names = ("name", "artifact_location", "lifecycle_stage", "tags")
        # The first one is older here than the import.
        times = () if experiment.experiment_id == "0" else ("creation_time", "last_update_time")
        seen[f"experiment {experiment.experiment_id}"] = fields(experiment, *names, *times)
    ids = [experiment.experiment_id for experiment in experiments]
    for found in all_pages(client.search_runs, experiment_ids=ids, run_view_type=ViewType.ALL):
        run = client.get_run(found.info.run_id)
        run_id = run.info.run_id
        info = fields(
            run.info, "run_name", "experiment_id", "user_id", "status", "start_time", "end_time", "artifact_uri", "lifecycle_stage"
        )
        seen[f"run {run_id}"] = {
            **info,
            "params": sorted(run.data.params.items()),
            "tags": sorted(run.data.tags.items()),
            "metrics": sorted((key, repr(value)) for key, value in run.data.metrics.items()),
            "points": {key: points(client, run_id, key) for key in sorted(run.data.metrics)},
            "datasets": [(d.dataset.to_dictionary(), [(t.key, t.value) for t in d.tags]) for d in run.inputs.dataset_inputs],
            "inputs": [model.model_id for model in run.inputs.model_inputs],
            "outputs": [(model.model_id, model.step) for model in run.outputs.model_outputs] if run.outputs else [],
            "files": files(client, uri, run_id),
        }
    for model in all_pages(client.search_logged_models, experiment_ids=ids):
        names = ("experiment_id", "name", "artifact_location", "creation_timestamp", "last_updated_timestamp", "model_type")
        seen[f"logged model {model.model_id}"] = {
            **fields(model, *names, "source_run_id"),
            "status": str(model.status),
            "params": sorted(model.params.items()),
            # MLflow keeps what it registered in a tag of its own; Kontor derives it.
            "tags": sorted((key, value) for key, value in model.tags.items()),
            "metrics": sorted((m.key, m.value, m.step, m.run_id) for m in model.metrics or []),
        }
    prompts = "tags.`mlflow.prompt.is_prompt` = 'true'"
    for filter_string in (None, prompts):
        for model in all_pages(client.search_registered_models, filter_string=filter_string):
            names = ("creation_timestamp", "last_updated_timestamp", "tags")
            seen[f"model {model.name}"] = {
                **fields(model, *names),
                "description": model.description or "",
                "aliases": sorted(model.aliases.items()),
            }
        for version in all_pages(client.search_model_versions, filter_string=filter_string):
            names = ("creation_timestamp", "last_updated_timestamp", "current_stage", "source", "run_id", "tags", "run_link")
            seen[f"version {version.name}/{version.version}"] = {
                **fields(version, *names),
                "description": version.description or "",
            }
            # The client looks up no place for a prompt.
            if filter_string is None:
                uri_of = client.get_model_version_download_uri
                seen[f"version {version.name}/{version.version}"]["files at"] = uri_of(version.name, version.version)
    return seen


source, here = snapshot(source_uri), snapshot(here_uri)
for name in sorted({*source, *here}):
    if name not in source or name not in here:
        differences.append(f"{name} is only {'at the source' if name in source else 'here'}")
        continue
    for field in source[name]:
        same(f"{name}, {field}", source[name][field], here[name][field])
for difference in differences:
    print(difference[:500])
print(f"{len(source)} things compared, {len(differences)} differences")
sys.exit(1 if differences else 0)
