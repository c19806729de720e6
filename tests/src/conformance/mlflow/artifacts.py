"""Files with the unmodified MLflow client and its command line. MLFLOW_TRACKING_URI says where.

With the argument `parts` the client sends and fetches all but the smallest files in parts, past the server.
Prints one line of JSON per step; any failure ends the program with a traceback.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import requests
from mlflow import MlflowClient
from mlflow.cli import cli as commands
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from sklearn.linear_model import LogisticRegression

IN_PARTS = sys.argv[1:] == ["parts"]
if IN_PARTS:
    os.environ |= {
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "100",
        "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(5 * 1024 * 1024),
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "true",
        "MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE": "100",
        "MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": str(5 * 1024 * 1024),
    }

client = MlflowClient()
server = mlflow.get_tracking_uri()


def say(step: str, **facts: object) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


def cli(*arguments: str) -> str:
    """What `mlflow <arguments>` prints, in this process: each start of the program costs seconds."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        commands.main(list(arguments), standalone_mode=False)
    return printed.getvalue()


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


with tempfile.TemporaryDirectory() as scratch:
    local = Path(scratch, "local")
    content = {
        "empty.txt": b"",
        "plot.png": os.urandom(300),
        "deep/er/é ü.json": b'{"a": 1}',
        "deep/100%.txt": b"percent" * 100,
        "weights.bin": os.urandom(12 * 1024 * 1024),
    }
    for name, data in content.items():
        path = local / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    experiment = mlflow.set_experiment("files")
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(local / "plot.png"))
        mlflow.log_artifact(str(local / "plot.png"), "one")
        mlflow.log_artifacts(str(local), "all")
        mlflow.log_text("hello", "hello.txt")
    run_id, uri = run.info.run_id, run.info.artifact_uri
    assert sorted(item.path for item in client.list_artifacts(run_id)) == ["all", "hello.txt", "one", "plot.png"]
    sizes = {item.path: item.file_size for item in client.list_artifacts(run_id, "all") if not item.is_dir}
    assert sizes == {f"all/{name}": len(data) for name, data in content.items() if "/" not in name}, sizes
    assert mlflow.artifacts.load_text(f"{uri}/hello.txt") == "hello"
    fetched = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="all", dst_path=str(Path(scratch, "a")))
    assert files_below(Path(fetched)) == content
    fetched = mlflow.artifacts.download_artifacts(artifact_uri=f"runs:/{run_id}/all/weights.bin")
    assert Path(fetched).read_bytes() == content["weights.bin"]
    say("client", files=len(content))

    cli("artifacts", "log-artifact", "--local-file", str(local / "weights.bin"), "--run-id", run_id, "--artifact-path", "cli")
    cli("artifacts", "log-artifacts", "--local-dir", str(local / "deep"), "--run-id", run_id, "--artifact-path", "cli/deep")
    listed = json.loads(cli("artifacts", "list", "--run-id", run_id, "--artifact-path", "cli"))
    assert [(item["path"], item["is_dir"]) for item in listed] == [("cli/deep", True), ("cli/weights.bin", False)], listed
    to = Path(scratch, "b")
    cli("artifacts", "download", "--run-id", run_id, "--artifact-path", "cli", "--dst-path", str(to))
    expected = {f"cli/{name}": data for name, data in content.items() if name.startswith("deep/")}
    assert files_below(to) == {**expected, "cli/weights.bin": content["weights.bin"]}
    say("command line", files=len(expected) + 1)

    repository = get_artifact_repository(uri)
    repository.delete_artifacts("cli/deep")
    repository.delete_artifacts("hello.txt")
    repository.delete_artifacts("never there")
    assert sorted(item.path for item in client.list_artifacts(run_id)) == ["all", "cli", "one", "plot.png"]
    assert [item.path for item in client.list_artifacts(run_id, "cli")] == ["cli/weights.bin"]
    try:
        mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="hello.txt")
        raise AssertionError("a deleted file was fetched")
    except (MlflowException, requests.HTTPError) as gone:
        say("deleted", refusal=str(gone)[:80])

    # What a client does that goes on with a download which broke off.
    answer = requests.get(f"{server}/get-artifact", params={"run_id": run_id, "path": "all/weights.bin"}, stream=True)
    half = answer.raw.read(6 * 1024 * 1024)
    answer.close()
    rest = requests.get(
        answer.url, headers={"Range": f"bytes={len(half)}-", "If-Range": answer.headers["ETag"]}
    )
    assert rest.status_code == 206 and half + rest.content == content["weights.bin"]
    say("resumed", after=len(half))

    features, target = np.arange(20).reshape(10, 2), np.arange(10) % 2
    model = LogisticRegression().fit(features, target)
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(model, name="model", input_example=features[:2], registered_model_name="in files")
    assert np.array_equal(mlflow.sklearn.load_model(logged.model_uri).predict(features), model.predict(features))
    loaded = mlflow.pyfunc.load_model("models:/in files/1")
    assert np.array_equal(loaded.predict(features), model.predict(features))
    say("model", model_id=logged.model_id)

if IN_PARTS:
    info = requests.get(f"{server}/api/3.0/mlflow/server-info").json()
    assert info["multipart_uploads_enabled"] and info["multipart_downloads_enabled"], info
say("done")
