"""MLflow's own command line, unmodified, verb by verb. MLFLOW_TRACKING_URI says where.

The verbs run in one process, because each start of the program costs seconds; what they parse, send and print is the same.
Prints one line of JSON per step; any failure ends the program with a traceback.
"""

import contextlib
import io
import json
import sys

import mlflow
from mlflow.cli import cli

suffix = sys.argv[1] if len(sys.argv) > 1 else "1"
name = f"of the command line {suffix}"


def say(step: str, **facts: object) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


def run(*arguments: str) -> str:
    """What `mlflow <arguments>` prints; the client logs on stderr."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        cli.main(list(arguments), standalone_mode=False)
    return printed.getvalue()


def found(text: str, *wanted: str) -> None:
    for part in wanted:
        assert part in text, (part, text)


found(run("experiments", "create", "--experiment-name", name), "Created experiment")
experiment_id = mlflow.get_experiment_by_name(name).experiment_id
found(run("experiments", "search", "--view", "all"), name, experiment_id)
run("experiments", "rename", "--experiment-id", experiment_id, "--new-name", f"{name} renamed")
found(run("experiments", "search"), f"{name} renamed")
run("experiments", "delete", "--experiment-id", experiment_id)
found(run("experiments", "search", "--view", "deleted_only"), f"{name} renamed")
run("experiments", "restore", "--experiment-id", experiment_id)
say("experiments")

with mlflow.start_run(experiment_id=experiment_id, run_name="listed") as listed:
    mlflow.log_param("depth", 3)
    mlflow.log_metric("loss", 0.25)
run_id = listed.info.run_id
found(run("runs", "list", "--experiment-id", experiment_id), run_id, "listed")
described = json.loads(run("runs", "describe", "--run-id", run_id))
assert described["data"]["params"] == {"depth": "3"}, described
assert described["info"]["status"] == "FINISHED", described
run("runs", "delete", "--run-id", run_id)
assert run_id not in run("runs", "list", "--experiment-id", experiment_id)
run("runs", "restore", "--run-id", run_id)
found(run("runs", "list", "--experiment-id", experiment_id), run_id)
found(run("experiments", "csv", "--experiment-id", experiment_id), "run_id", run_id, "0.25")
say("runs")

say("done")
