"""Two teams with the unmodified MLflow client, each in its workspace. MLFLOW_TRACKING_URI is the server without a workspace.

The workspace of a client comes from its tracking URI alone, or from `mlflow.set_workspace` and its header.
Prints one line of JSON per step; any failure ends the program with a traceback.
"""

import json
import os
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

server = os.environ["MLFLOW_TRACKING_URI"]


def say(step: str, **facts: object) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


def refused(code: str, does, *arguments, **named) -> str:
    try:
        does(*arguments, **named)
    except MlflowException as refusal:
        assert refusal.error_code == code, (refusal.error_code, refusal.message)
        return refusal.message
    raise AssertionError(f"{does} was not refused")


# The client's own calls make and change workspaces.
made = mlflow.create_workspace("client-a", description="of the first team")
assert (made.name, made.description) == ("client-a", "of the first team"), made
mlflow.create_workspace("client-b")
assert {"default", "client-a", "client-b"} <= {known.name for known in mlflow.list_workspaces()}
assert mlflow.update_workspace("client-b", description="of the second team").description == "of the second team"
assert mlflow.get_workspace("client-b").description == "of the second team"
assert "already exists" in refused("RESOURCE_ALREADY_EXISTS", mlflow.create_workspace, "client-a")
assert refused("RESOURCE_DOES_NOT_EXIST", mlflow.get_workspace, "nobodys").endswith("Workspace 'nobodys' not found")
mlflow.create_workspace("for-a-moment")
mlflow.delete_workspace("for-a-moment")
refused("RESOURCE_DOES_NOT_EXIST", mlflow.get_workspace, "for-a-moment")
say("made")


def work(team: str) -> tuple[str, str, str]:
    """The same names in every workspace, and what is written is what is read."""
    client = MlflowClient()
    default = client.get_experiment("0")
    assert (default.name, default.workspace) == ("Default", team), default
    experiment = mlflow.set_experiment("credit")
    assert client.get_experiment(experiment.experiment_id).workspace == team
    with mlflow.start_run(run_name="credit") as run:
        mlflow.log_param("team", team)
        mlflow.log_metric("loss", 1.0)
        mlflow.log_text(team, "notes/team.txt")
    run_id = run.info.run_id
    place = "" if team == "default" else f"workspaces/{team}/"
    assert run.info.artifact_uri == f"mlflow-artifacts:/{place}{experiment.experiment_id}/{run_id}/artifacts"
    assert [found.info.run_id for found in client.search_runs([experiment.experiment_id])] == [run_id]
    assert [item.path for item in client.list_artifacts(run_id, "notes")] == ["notes/team.txt"]
    with tempfile.TemporaryDirectory() as folder:
        assert Path(client.download_artifacts(run_id, "notes/team.txt", folder)).read_text() == team
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/team.txt") == team
    client.create_registered_model("credit")
    assert int(client.create_model_version("credit", f"runs:/{run_id}/notes", run_id).version) == 1
    client.set_registered_model_alias("credit", "champion", 1)
    assert client.get_model_version_by_alias("credit", "champion").run_id == run_id
    models = [model.name for model in client.search_registered_models()]
    assert "credit" in models and (team == "default" or len(models) == 1), models
    model = mlflow.initialize_logged_model(name="credit")
    assert mlflow.get_logged_model(model.model_id).model_id == model.model_id
    return experiment.experiment_id, run_id, model.model_id


def sees_nothing_of(others: list[tuple[str, str, str]]) -> None:
    client = MlflowClient()
    for _, run_id, model_id in others:
        refused("RESOURCE_DOES_NOT_EXIST", client.get_run, run_id)
        refused("RESOURCE_DOES_NOT_EXIST", client.set_tag, run_id, "team", "x")
        refused("RESOURCE_DOES_NOT_EXIST", client.list_artifacts, run_id)
        refused("RESOURCE_DOES_NOT_EXIST", client.get_logged_model, model_id)
        everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
        assert run_id not in [run.info.run_id for run in client.search_runs(everywhere)]


mlflow.set_tracking_uri(f"{server}/workspaces/client-a")
of_a = work("client-a")
say("by tracking URI", run=of_a[1])

mlflow.set_tracking_uri(server)
mlflow.set_workspace("client-b")
of_b = work("client-b")
sees_nothing_of([of_a])
say("by header", run=of_b[1])

mlflow.set_workspace(None)
of_default = work("default")
sees_nothing_of([of_a, of_b])
say("without", run=of_default[1])

mlflow.set_tracking_uri(f"{server}/workspaces/client-a")
sees_nothing_of([of_b, of_default])
assert MlflowClient().get_run(of_a[1]).data.params == {"team": "client-a"}
assert "still contains" in refused("INVALID_STATE", mlflow.delete_workspace, "client-a")

# Path and header that differ, and workspaces that nobody made.
mlflow.set_workspace("client-b")
assert "'client-a'" in refused("INVALID_PARAMETER_VALUE", MlflowClient().search_experiments)
mlflow.set_workspace(None)
for uri, workspace in ((f"{server}/workspaces/nobodys", None), (server, "nobodys")):
    mlflow.set_tracking_uri(uri)
    mlflow.set_workspace(workspace)
    message = refused("RESOURCE_DOES_NOT_EXIST", MlflowClient().search_experiments)
    assert message.endswith("Workspace 'nobodys' not found"), message
say("done")
