"""Creates one of each with the unmodified client, whose first try of everything gets no answer.

Prints one line of JSON; any failure ends the program with a traceback.
"""

import json

from mlflow import MlflowClient

client = MlflowClient()
experiment_id = client.create_experiment("cut-off")
run = client.create_run(experiment_id, run_name="cut-off")
client.log_metric(run.info.run_id, "cut-off", 1.0, timestamp=1, step=1)
logged = client.create_logged_model(experiment_id, name="cut-off")
client.create_registered_model("cut-off")
version = client.create_model_version("cut-off", "s3://cut-off/model", run_id=run.info.run_id)

assert [found.info.run_id for found in client.search_runs([experiment_id])] == [run.info.run_id]
assert [found.version for found in client.search_model_versions("name = 'cut-off'")] == [version.version] == ["1"], version
assert [found.model_id for found in client.search_logged_models([experiment_id])] == [logged.model_id]
print(json.dumps({"step": "done", "run_id": run.info.run_id}))
