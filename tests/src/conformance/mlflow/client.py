"""What a data scientist does with MLflow, with the unmodified client. MLFLOW_TRACKING_URI says where.

Prints one line of JSON per step; any failure ends the program with a traceback.
"""

import json
import math
import os
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

suffix = sys.argv[1] if len(sys.argv) > 1 else "1"
experiment_name = f"iris-{suffix}"
model_name = f"iris classifier {suffix}"
client = MlflowClient()
# For what the client has no call of its own.
bearer = {"Authorization": f"Bearer {secret}"} if (secret := os.environ.get("MLFLOW_TRACKING_TOKEN")) else {}


def say(step: str, **facts: object) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


experiment = mlflow.set_experiment(experiment_name)
assert client.get_experiment_by_name(experiment_name).experiment_id == experiment.experiment_id
say("experiment", id=experiment.experiment_id)

features, target = load_iris(return_X_y=True, as_frame=True)

mlflow.sklearn.autolog(log_models=False)
with mlflow.start_run(run_name="autologged") as autologged:
    LogisticRegression(max_iter=200, C=0.5).fit(features, target)
mlflow.sklearn.autolog(disable=True)
run = client.get_run(autologged.info.run_id)
assert run.info.status == "FINISHED", run.info.status
assert run.data.params["C"] == "0.5", run.data.params
assert run.data.metrics["training_accuracy_score"] > 0.9, run.data.metrics
assert run.data.tags["estimator_name"] == "LogisticRegression"
assert run.inputs.dataset_inputs[0].dataset.name, run.inputs
say("autolog", params=len(run.data.params), metrics=len(run.data.metrics), datasets=len(run.inputs.dataset_inputs))

with mlflow.start_run(run_name="by hand") as by_hand:
    mlflow.log_params({"depth": 3, "rate": 0.1})
    mlflow.log_metric("loss", 2.0, step=0)
    mlflow.log_metric("loss", 1.0, step=1)
    mlflow.log_metrics({"auc": 0.75, "nothing": math.nan}, step=2**40)
    mlflow.set_tags({"team": "kontor", "mlflow.note.content": "a note"})
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"a": 1}, "notes/a.json")
    model = LogisticRegression(max_iter=200).fit(features, target)
    info = mlflow.sklearn.log_model(model, name="model", input_example=features.head(2))
run_id = by_hand.info.run_id
run = client.get_run(run_id)
assert run.info.run_name == "by hand"
assert run.data.params == {"depth": "3", "rate": "0.1"}, run.data.params
assert run.data.metrics["loss"] == 1.0 and run.data.metrics["auc"] == 0.75
assert math.isnan(run.data.metrics["nothing"])
history = client.get_metric_history(run_id, "loss")
assert [(point.step, point.value) for point in history] == [(0, 2.0), (1, 1.0)], history
assert client.get_metric_history(run_id, "auc")[0].step == 2**40
assert run.data.tags["team"] == "kontor"
paths = sorted(item.path for item in client.list_artifacts(run_id, "notes"))
assert paths == ["notes/a.json", "notes/hello.txt"], paths
with tempfile.TemporaryDirectory() as folder:
    local = Path(client.download_artifacts(run_id, "notes/hello.txt", folder))
    assert local.read_text() == "hello"
assert run.outputs.model_outputs[0].model_id == info.model_id
logged = mlflow.get_logged_model(info.model_id)
assert str(logged.status) in ("LoggedModelStatus.READY", "READY"), logged.status
say("run", run_id=run_id, model_id=info.model_id)

first = mlflow.register_model(info.model_uri, model_name, tags={"stage": "first"})
second = mlflow.register_model(info.model_uri, model_name)
assert (str(first.version), str(second.version)) == ("1", "2")
client.set_registered_model_alias(model_name, "champion", "1")
client.set_registered_model_alias(model_name, "challenger", "2")
client.set_registered_model_tag(model_name, "owner", "ada")
client.set_model_version_tag(model_name, "1", "checked", "yes")
client.update_model_version(model_name, "1", description="the first one")
champion = client.get_model_version_by_alias(model_name, "champion")
assert str(champion.version) == "1" and champion.description == "the first one"
assert champion.tags == {"stage": "first", "checked": "yes"}, champion.tags
assert champion.run_id == run_id, champion.run_id
registered = client.get_registered_model(model_name)
assert registered.tags == {"owner": "ada"}
assert {alias: str(version) for alias, version in registered.aliases.items()} == {"champion": "1", "challenger": "2"}
say("registered", versions=[first.version, second.version])

loaded = mlflow.sklearn.load_model(f"models:/{model_name}@champion")
assert np.array_equal(loaded.predict(features), model.predict(features))
as_function = mlflow.pyfunc.load_model(f"models:/{model_name}/2")
assert np.array_equal(as_function.predict(features), model.predict(features))
say("loaded", rows=len(features))

found = mlflow.search_runs(
    experiment_names=[experiment_name],
    filter_string="metrics.auc > 0.7 and params.depth = '3' and tags.team LIKE 'kon%'",
    order_by=["metrics.loss ASC"],
)
assert list(found["run_id"]) == [run_id], found
assert len(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])) == 2
pages = []
token = None
while True:
    page = client.search_runs([experiment.experiment_id], max_results=1, page_token=token)
    pages += [item.info.run_id for item in page]
    token = page.token
    if not token:
        break
assert len(pages) == len(set(pages)) == 2, pages
versions = client.search_model_versions(f"name = '{model_name}'")
assert sorted(str(version.version) for version in versions) == ["1", "2"]
assert [str(v.version) for v in client.search_model_versions(f"run_id = '{run_id}' and tags.checked = 'yes'")] == ["1"]
assert [item.name for item in client.search_registered_models(f"name ILIKE '%CLASSIFIER {suffix}'")] == [model_name]
say("searched", runs=len(found), versions=len(versions))


with mlflow.start_run(run_name="files") as files:
    mlflow.log_text("", "empty.txt")
    mlflow.log_text("deep", "a/b c/é.txt")
    uri = files.info.artifact_uri
proxied = f"{mlflow.get_tracking_uri()}/api/2.0/mlflow-artifacts/artifacts/{uri.split(':/')[1]}"
assert requests.put(f"{proxied}/none", headers=bearer).ok
listed = {(item.path, item.is_dir, item.file_size) for item in client.list_artifacts(files.info.run_id)}
assert listed == {("a", True, None), ("empty.txt", False, 0), ("none", False, 0)}, listed
with tempfile.TemporaryDirectory() as folder:
    whole = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri.rsplit("/", 1)[0], dst_path=folder))
    found = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
assert found == {"artifacts/empty.txt", "artifacts/none", "artifacts/a/b c/é.txt"}, found
parents = [item.path for item in mlflow.artifacts.list_artifacts(artifact_uri=experiment.artifact_location)]
assert f"{experiment.experiment_id}/{files.info.run_id}" in parents and f"{experiment.experiment_id}/models" in parents, parents
elsewhere = client.create_experiment(f"elsewhere-{suffix}", artifact_location=f"mlflow-artifacts:/of-{suffix}/team")
with mlflow.start_run(experiment_id=elsewhere) as placed:
    mlflow.log_text("x", "x.txt")
assert [item.path for item in client.list_artifacts(placed.info.run_id)] == ["x.txt"]
say("files", listed=len(listed))

wide = mlflow.data.from_pandas(pd.DataFrame(np.zeros((1, 3000)), columns=[f"a column with a long name {i}" for i in range(3000)]), name="wide")
with mlflow.start_run() as read:
    mlflow.log_input(wide, context="training")
kept = client.get_run(read.info.run_id).inputs.dataset_inputs[0].dataset
assert json.loads(kept.schema) == json.loads(wide._to_mlflow_entity().schema), len(kept.schema)
say("wide dataset", schema=len(kept.schema))

with mlflow.start_run(run_name="compared"):
    candidates = [mlflow.create_external_model(name=f"candidate {rate}", params={"rate": str(rate)}) for rate in (1, 2)]
    for step in range(3):
        for index, candidate in enumerate(candidates):
            mlflow.log_metric("acc", 0.5 + 0.2 * index + 0.01 * step, step=step, model_id=candidate.model_id)
with mlflow.start_run(run_name="evaluated later"):
    dataset = mlflow.data.from_pandas(features, name=f"held out {suffix}")
    mlflow.log_metric("recall", 0.9, model_id=candidates[0].model_id, dataset=dataset)
seen = sorted((point.key, round(point.value, 2)) for point in mlflow.get_logged_model(candidates[0].model_id).metrics)
assert seen == [("acc", 0.5), ("acc", 0.51), ("acc", 0.52), ("recall", 0.9)], seen


def ranked(**search: object) -> list[str]:
    ids = [str(experiment.experiment_id)]
    return [item.name for item in mlflow.search_logged_models(experiment_ids=ids, output_format="list", **search)]


assert ranked(filter_string="metrics.acc > 0.6") == ["candidate 2"]
assert ranked(filter_string="metrics.acc < 0.515") == [], "only the latest point counts"
assert ranked(filter_string="params.rate IN ('1', '2')", order_by=[{"field_name": "metrics.acc", "ascending": False}]) == ["candidate 2", "candidate 1"]
assert ranked(filter_string="params.rate = 1 AND status = 'READY'") == ["candidate 1"]
assert ranked(datasets=[{"dataset_name": f"held out {suffix}", "dataset_digest": dataset.digest}]) == ["candidate 1"]
say("logged models", metrics=len(seen))

curve = requests.get(
    f"{mlflow.get_tracking_uri()}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval",
    params={"run_ids": [run_id], "metric_key": "loss", "max_results": 1},
    headers=bearer,
)
assert [point["value"] for point in curve.json()["metrics"]] == [1.0], curve.text


def refused(call, code: str, text: str) -> None:
    try:
        call()
    except (RestException, MlflowException) as error:
        assert error.error_code == code, (error.error_code, code)
        assert text in str(error), (str(error), text)
    else:
        raise AssertionError(f"nothing refused: {text}")


refused(lambda: client.get_run("0" * 32), "RESOURCE_DOES_NOT_EXIST", "Run with id=" + "0" * 32 + " not found")
refused(lambda: client.log_param(run_id, "depth", "4"), "INVALID_PARAMETER_VALUE", "Changing param values is not allowed")
refused(lambda: client.create_registered_model(model_name), "RESOURCE_ALREADY_EXISTS", f"Registered Model (name={model_name}) already exists.")
refused(lambda: client.get_registered_model("nobody"), "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nobody not found")
refused(lambda: client.get_model_version(model_name, "9"), "RESOURCE_DOES_NOT_EXIST", f"Model Version (name={model_name}, version=9) not found")
refused(lambda: client.get_model_version_by_alias(model_name, "nobody"), "INVALID_PARAMETER_VALUE", "Registered model alias nobody not found.")
refused(lambda: client.create_experiment(experiment_name), "RESOURCE_ALREADY_EXISTS", f"Experiment(name={experiment_name}) already exists.")
refused(lambda: client.search_runs([experiment.experiment_id], "foo.a = 'b'"), "INVALID_PARAMETER_VALUE", "Invalid entity type 'foo'")
say("refused", cases=8)

client.delete_registered_model_alias(model_name, "challenger")
client.delete_model_version(model_name, "2")
refused(lambda: client.get_model_version(model_name, "2"), "RESOURCE_DOES_NOT_EXIST", "not found")
client.rename_registered_model(model_name, f"{model_name} renamed")
assert str(client.get_model_version_by_alias(f"{model_name} renamed", "champion").version) == "1"
everything = len(client.search_runs([experiment.experiment_id]))
client.delete_run(autologged.info.run_id)
assert len(client.search_runs([experiment.experiment_id])) == everything - 1
client.restore_run(autologged.info.run_id)
assert len(client.search_runs([experiment.experiment_id])) == everything
say("done")
