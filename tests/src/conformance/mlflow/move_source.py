"""Fills an MLflow server with a history to move away from. MLFLOW_TRACKING_URI is the server.

`first` makes everything, `later` what is new since a first import. Prints nothing; any failure ends with a traceback.
"""

import math
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelParameter, LoggedModelStatus, Metric, Param, RunTag

client = MlflowClient()
folder = Path(tempfile.mkdtemp())
START = 1_600_000_000_000


def file(name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run(experiment: str, number: int, points: int) -> str:
    start = START + number * 60_000
    run_id = client.create_run(experiment, start_time=start, run_name=f"run {number}", tags={"number": str(number)}).info.run_id
    metrics = [
        Metric(f"metric/{key}", math.nan if step == 7 else math.sin(key + step), start + step, step)
        for key in range(3)
        for step in range(points)
    ]
    params = [Param("depth", str(number)), Param("empty", "")]
    for first in range(0, len(metrics), 900):
        batch = metrics[first : first + 900]
        client.log_batch(run_id, metrics=batch, params=params if first == 0 else [], tags=[RunTag("team", "risk")])
    return run_id


def first() -> None:
    experiments = [client.create_experiment(f"experiment {n}", tags={"owner": f"team {n}"}) for n in range(3)]
    runs = [run(experiments[number % 3], number, 1_100 if number == 0 else 20) for number in range(60)]
    runs.append(run("0", 60, 3))

    for run_id in runs[:5]:
        client.log_artifact(run_id, file("model/MLmodel", f"of {run_id}"), "model")
        client.log_artifact(run_id, file("notes für alle.txt", "ümläute\n"), "model/notes + more")
    client.log_artifact(runs[5], file("large.bin", "0123456789" * 300_000))

    dataset = MetaDataset(HTTPDatasetSource("https://example.com/rows.csv"), name="rows", digest="d1")
    entity = dataset._to_mlflow_entity()
    inputs = mlflow.entities.DatasetInput(entity, [mlflow.entities.InputTag("mlflow.data.context", "training")])
    models = []
    for number in range(3):
        model = client.create_logged_model(
            experiments[0], f"forest-{number}", runs[number * 3], tags={"kind": "tree"}, params={"trees": "10"}, model_type="classifier"
        )
        client.log_model_artifacts(model.model_id, str(file(f"logged-{number}/MLmodel", f"of forest {number}").parent))
        client.log_metric(runs[number * 3], "accuracy", 0.5, model_id=model.model_id, timestamp=START, step=1)
        models.append(model)
    client.finalize_logged_model(models[0].model_id, LoggedModelStatus.READY)
    client.finalize_logged_model(models[1].model_id, LoggedModelStatus.FAILED)
    client.log_inputs(runs[0], datasets=[inputs], models=[LoggedModelInput(models[0].model_id)])
    client.log_outputs(runs[3], models=[LoggedModelOutput(models[1].model_id, 4)])

    states = ["FINISHED", "FAILED", "KILLED", "SCHEDULED"]
    for number, run_id in enumerate(runs[:-1]):
        if number % 5 < 4:
            client.set_terminated(run_id, states[number % 5], end_time=START + number * 60_000 + 30_000)
    for run_id in runs[10:13]:
        client.delete_run(run_id)

    client.create_registered_model("credit", tags={"team": "risk"}, description="who pays back")
    client.create_registered_model("it's \"odd\" %")
    for number in range(4):
        source = f"{client.get_run(runs[number]).info.artifact_uri}/model"
        client.create_model_version("credit", source, runs[number], tags={"n": str(number)}, description=f"version of {number}")
    client.create_model_version("credit", f"models:/{models[0].model_id}", model_id=models[0].model_id)
    client.create_model_version("it's \"odd\" %", "s3://bucket/elsewhere")
    client.delete_model_version("credit", "2")
    client.transition_model_version_stage("credit", "3", "Production")
    client.update_model_version("credit", "4", description="better")
    client.set_registered_model_alias("credit", "champion", "3")
    client.set_registered_model_alias("credit", "challenger", "5")
    mlflow.genai.register_prompt("greeting", "Hello {{name}}")
    mlflow.genai.register_prompt("greeting", "Good day {{name}}", commit_message="politer")
    client.delete_experiment(experiments[2])


def later() -> None:
    experiment = client.create_experiment("experiment later")
    run(experiment, 61, 5)
    going = client.search_runs([client.get_experiment_by_name("experiment 0").experiment_id], "params.depth = '9'")[0]
    client.log_metric(going.info.run_id, "metric/0", 9, timestamp=START + 999, step=99)
    client.set_tag(going.info.run_id, "team", "pricing")
    client.create_model_version("credit", "s3://bucket/later")
    client.set_registered_model_alias("credit", "champion", "6")


{"first": first, "later": later}[sys.argv[1]]()
