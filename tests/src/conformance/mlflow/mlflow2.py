"""What programs that were written for MLflow 2 do, with its unmodified client. MLFLOW_TRACKING_URI says where.

Models lie among the artifacts of runs, and versions move through stages. Prints one line of JSON per step; any failure ends
the program with a traceback.
"""

import json
import math
import tempfile
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

assert mlflow.__version__.startswith("2."), mlflow.__version__
client = MlflowClient()
features, target = load_iris(return_X_y=True, as_frame=True)


def say(step: str, **facts: object) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


def refused(code: str, call, *arguments, **named) -> str:
    try:
        call(*arguments, **named)
    except MlflowException as refusal:
        assert refusal.error_code == code, (refusal.error_code, refusal.message)
        return refusal.message
    raise AssertionError(f"{call} was not refused")


# Tracking.
experiment_id = client.create_experiment("of MLflow 2", tags={"team": "two"})
client.set_experiment_tag(experiment_id, "owner", "ada")
client.rename_experiment(experiment_id, "of MLflow two")
experiment = mlflow.set_experiment("of MLflow two")
assert (experiment.experiment_id, experiment.tags) == (experiment_id, {"team": "two", "owner": "ada"}), experiment
run = client.create_run(experiment_id, start_time=5, tags={"a": "b"}, run_name="by the client")
run_id = run.info.run_id
client.log_batch(
    run_id,
    metrics=[Metric("loss", 1 / (step + 1), step, step) for step in range(1000)],
)
client.log_batch(run_id, params=[Param(f"p{index}", str(index)) for index in range(100)])
client.log_batch(run_id, tags=[RunTag("note", "é")])
client.log_metric(run_id, "endless", math.inf)
client.log_metric(run_id, "nothing", math.nan)
client.set_terminated(run_id, "KILLED", end_time=9)
run = client.get_run(run_id)
assert (run.info.status, run.info.start_time, run.info.end_time) == ("KILLED", 5, 9), run.info
assert len(run.data.params) == 100 and run.data.metrics["loss"] == 0.001, run.data
assert run.data.metrics["endless"] > 1e308 and math.isnan(run.data.metrics["nothing"])
assert [point.step for point in client.get_metric_history(run_id, "loss")] == list(range(1000))
assert "was already logged with value='1'" in refused("INVALID_PARAMETER_VALUE", client.log_param, run_id, "p1", "2")
client.delete_tag(run_id, "note")
assert refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, run_id, "note").endswith(f"No tag with name: note in run with id {run_id}")
client.delete_run(run_id)
assert [found.info.run_id for found in client.search_runs([experiment_id], run_view_type=ViewType.DELETED_ONLY)] == [run_id]
client.restore_run(run_id)
with mlflow.start_run(run_name="parent") as parent:
    for depth in (2, 3):
        with mlflow.start_run(run_name=f"depth {depth}", nested=True):
            mlflow.log_param("depth", depth)
            mlflow.log_metric("score", depth / 10)
children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=["metrics.score DESC"])
assert list(children["params.depth"]) == ["3", "2"], children
say("tracked", runs=len(client.search_runs([experiment_id])))

# Autologging, with a search over candidates below one run.
mlflow.sklearn.autolog(max_tuning_runs=2)
with mlflow.start_run(run_name="autologged") as autologged:
    GridSearchCV(DecisionTreeClassifier(random_state=1), {"max_depth": [1, 2]}, cv=2).fit(features, target)
mlflow.sklearn.autolog(disable=True)
logged = client.get_run(autologged.info.run_id)
assert logged.data.params["best_max_depth"] in ("1", "2"), logged.data.params
assert "training_accuracy_score" in logged.data.metrics, logged.data.metrics
assert len(mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{autologged.info.run_id}'")) == 2
paths = {item.path for item in client.list_artifacts(autologged.info.run_id)}
assert {"model", "best_estimator", "cv_results.csv"} <= paths, paths
say("autologged", artifacts=len(paths))

# Files.
with tempfile.TemporaryDirectory() as folder:
    (Path(folder) / "deep").mkdir()
    (Path(folder) / "deep" / "é.txt").write_text("deep")
    client.log_artifacts(run_id, folder, "files")
    client.log_text(run_id, "hello", "notes/hello.txt")
    got = Path(client.download_artifacts(run_id, "files", folder))
    assert (got / "deep" / "é.txt").read_text() == "deep"
assert [(item.path, item.is_dir) for item in client.list_artifacts(run_id, "files")] == [("files/deep", True)]
assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/hello.txt") == "hello"
say("files")

# Registry, with stages.
with mlflow.start_run(run_name="trained") as trained:
    model = RandomForestClassifier(n_estimators=3, random_state=1).fit(features, target)
    mlflow.sklearn.log_model(model, "model", registered_model_name="forest", input_example=features.head(2))
second = client.create_model_version("forest", f"runs:/{trained.info.run_id}/model", trained.info.run_id, tags={"b": "c"})
assert str(second.version) == "2"
assert str(client.transition_model_version_stage("forest", "1", "Production").version) == "1"
client.transition_model_version_stage("forest", "2", "production", archive_existing_versions=True)
stages = {str(version.version): version.current_stage for version in client.search_model_versions("name = 'forest'")}
assert stages == {"1": "Archived", "2": "Production"}, stages
assert [str(version.version) for version in client.get_latest_versions("forest", ["Production"])] == ["2"]
client.set_registered_model_alias("forest", "champion", "2")
client.update_registered_model("forest", description="trees")
for uri in ("models:/forest/1", "models:/forest@champion", "models:/forest/Production", "models:/forest/latest"):
    assert np.array_equal(mlflow.pyfunc.load_model(uri).predict(features), model.predict(features)), uri
assert refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, "forest").endswith("Registered Model (name=forest) already exists.")
client.delete_model_version("forest", "1")
refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "forest", "1")
client.rename_registered_model("forest", "wood")
assert client.get_registered_model("wood").description == "trees"
client.delete_registered_model("wood")
refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "wood")
say("registered")
client.delete_experiment(experiment_id)
assert client.get_experiment(experiment_id).lifecycle_stage == "deleted"
assert "must be in the 'active' state" in refused("INVALID_PARAMETER_VALUE", client.log_param, run_id, "late", "1")
client.restore_experiment(experiment_id)
say("done")
