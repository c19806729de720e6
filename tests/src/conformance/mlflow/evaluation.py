"""Scorers and evaluation datasets, with the unmodified client. MLFLOW_TRACKING_URI says where.

Prints one line of JSON per step; any failure ends the program with a traceback.
"""

import json
import math

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.genai.datasets import (
    add_dataset_to_experiments,
    create_dataset,
    delete_dataset,
    delete_dataset_tag,
    get_dataset,
    remove_dataset_from_experiments,
    search_datasets,
    set_dataset_tags,
)
from mlflow.genai.judges import make_judge
from mlflow.genai.scorers import Safety, delete_scorer, get_scorer, list_scorers, scorer
from mlflow.genai.scorers.registry import list_scorer_versions


def say(step: str, **facts: object) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


def refused(call, *args, **kwargs) -> str:
    try:
        call(*args, **kwargs)
    except MlflowException as e:
        return e.message
    raise AssertionError(f"{call} was not refused")


experiment_id = mlflow.set_experiment("evaluation").experiment_id

# Scorers.
for instructions in ("Is {{ outputs }} kind?", "Is {{ outputs }} very kind?"):
    judge = make_judge(name="tone", instructions=instructions, model="openai:/gpt-4o", feedback_value_type=bool)
    judge.register(experiment_id=experiment_id)
Safety(model="openai:/gpt-4o").register(experiment_id=experiment_id)
assert [one.name for one in list_scorers(experiment_id=experiment_id)] == ["safety", "tone"]
assert get_scorer(name="tone", experiment_id=experiment_id).instructions == "Is {{ outputs }} very kind?"
assert get_scorer(name="tone", experiment_id=experiment_id, version=1).instructions == "Is {{ outputs }} kind?"
assert [version for _, version in list_scorer_versions(name="tone", experiment_id=experiment_id)] == [1, 2]
delete_scorer(name="tone", experiment_id=experiment_id, version=2)
assert get_scorer(name="tone", experiment_id=experiment_id).instructions == "Is {{ outputs }} kind?"
delete_scorer(name="tone", experiment_id=experiment_id, version="all")
assert "Scorer with name 'tone' not found" in refused(get_scorer, name="tone", experiment_id=experiment_id)


@scorer
def exact(outputs) -> bool:
    return outputs == 1


assert "Custom scorer registration" in refused(exact.register, experiment_id=experiment_id)
say("scorers")

# Evaluation datasets.
dataset = create_dataset(name="questions", experiment_id=[experiment_id], tags={"team": "risk", "version": "1.0"})
assert dataset.tags["team"] == "risk", dataset.tags
assert dataset.experiment_ids == [experiment_id], dataset.experiment_ids
assert (dataset.schema, dataset.profile) == (None, None)
digest = dataset.digest

records = [
    {
        "inputs": {"question": f"What is {n} and a half?", "weight": 1.0, "depth": n},
        "outputs": {"answer": n + 0.5} if n % 2 else "half",
        "expectations": {"answer": n + 0.5, "facts": ["a", None, {"b": 2**70}]},
        "tags": {"part": str(n % 3)},
    }
    for n in range(1, 51)
]
dataset.merge_records(records)
dataset = get_dataset(dataset_id=dataset.dataset_id)
frame = dataset.to_df()
assert len(frame) == 50, frame
first = frame.iloc[0]
assert first["inputs"] == records[0]["inputs"] and isinstance(first["inputs"]["weight"], float), first
assert isinstance(first["inputs"]["depth"], int)
assert list(frame["inputs"]) == [record["inputs"] for record in records], "the order is kept"
assert first["outputs"] == {"answer": 1.5} and frame.iloc[1]["outputs"] == "half"
assert first["expectations"]["facts"] == ["a", None, {"b": 2**70}]
assert first["tags"]["part"] == "1", first["tags"]
assert first["source_type"] == "HUMAN", first
assert json.loads(dataset.profile) == {"num_records": 50}
assert json.loads(dataset.schema)["inputs"] == {"question": "string", "weight": "float", "depth": "integer"}
assert dataset.digest != digest

dataset.merge_records([{"inputs": records[0]["inputs"], "expectations": {"tone": "kind"}}])
dataset.merge_records(pd.DataFrame([{"inputs": {"question": "new?"}, "expectations": {"answer": math.inf}}]))
frame = get_dataset(dataset_id=dataset.dataset_id).to_df()
assert len(frame) == 51
assert frame.iloc[0]["expectations"] == {**records[0]["expectations"], "tone": "kind"}
assert frame.iloc[50]["expectations"] == {"answer": math.inf}

# More than one command carries.
dataset.merge_records([{"inputs": {"question": f"{n}"}, "expectations": {"text": "x" * 1000}} for n in range(1500)])
assert len(get_dataset(dataset_id=dataset.dataset_id).to_df()) == 1551
gone = list(frame["dataset_record_id"][:10])
assert dataset.delete_records(gone) == 10
assert dataset.delete_records(gone) == 0
assert json.loads(get_dataset(dataset_id=dataset.dataset_id).profile) == {"num_records": 1541}
say("records", digest=dataset.digest)

set_dataset_tags(dataset_id=dataset.dataset_id, tags={"team": "fraud", "stage": "final"})
delete_dataset_tag(dataset_id=dataset.dataset_id, key="version")
tags = get_dataset(dataset_id=dataset.dataset_id).tags
assert (tags["team"], tags["stage"], "version" in tags) == ("fraud", "final", False), tags
other = mlflow.create_experiment("evaluation of others")
add_dataset_to_experiments(dataset_id=dataset.dataset_id, experiment_ids=[other])
assert get_dataset(dataset_id=dataset.dataset_id).experiment_ids == [experiment_id, other]
remove_dataset_from_experiments(dataset_id=dataset.dataset_id, experiment_ids=[experiment_id])
assert get_dataset(dataset_id=dataset.dataset_id).experiment_ids == [other]

for n in range(3):
    create_dataset(name=f"small {n}", experiment_id=other, tags={"size": "small"})
names = [one.name for one in search_datasets(experiment_ids=[other], order_by=["name ASC"], max_results=10)]
assert names == ["questions", "small 0", "small 1", "small 2"], names
small = search_datasets(experiment_ids=[other], filter_string="tags.size = 'small' AND name LIKE '%1'")
assert [one.name for one in small] == ["small 1"]
assert [one.name for one in search_datasets(experiment_ids=[experiment_id])] == []

delete_dataset(dataset_id=dataset.dataset_id)
assert "not found" in refused(get_dataset, dataset_id=dataset.dataset_id)
say("datasets")
say("done")
