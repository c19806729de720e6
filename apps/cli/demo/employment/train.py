"""Trains the demo's two ONNX models on 2015-train only and writes what a model version needs beside each.

    python -m venv /tmp/venv && /tmp/venv/bin/pip install -r requirements.txt
    /tmp/venv/bin/python train.py

models/employment-1            the real model
models/employment-2-shuffled   the same code on shuffled labels: the bad version that a canary must stop
models/employment-rules-1      golden.json and metrics.json of the hand-written decision-table.json

Deterministic: fixed seeds and no early stopping. Each ONNX model has one input per feature column ([N,1] float32) and
the outputs label (int64 [N]) and probabilities (float32 [N,2]).
"""

import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path

# Sums in another order are other floats: one thread makes the trees the same on every run.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import onnxruntime
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline

HERE = Path(__file__).parent
LABEL = "ESR"
PROTECTED = "SEX"
GROUPS = {"1": "male", "2": "female"}
PARAMETERS = {
    "max_iter": 60,
    "learning_rate": 0.15,
    "max_leaf_nodes": 24,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "early_stopping": False,
    "random_state": 2015,
}
SHUFFLE_SEED = 7
GOLDEN_ROWS = 50
# The parity that the data plane checks again at every load.
TOLERANCE = 1e-5
PACKAGES = ["numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "skl2onnx"]


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, indent=1) + "\n")


def feeds(rows: pd.DataFrame) -> dict:
    return {name: rows[[name]].to_numpy(np.float32) for name in rows.columns}


def golden(rows: pd.DataFrame, labels: np.ndarray, probabilities: np.ndarray) -> dict:
    """The rows and Python's own answers as tensors of the Open Inference Protocol."""
    n = len(rows)
    inputs = [
        {"name": name, "shape": [n, 1], "datatype": "FP32", "data": rows[name].astype(float).tolist()} for name in rows.columns
    ]
    outputs = [
        {"name": "label", "shape": [n], "datatype": "INT64", "data": labels.astype(int).tolist()},
        {"name": "probabilities", "shape": [n, 2], "datatype": "FP32", "data": probabilities.ravel().tolist()},
    ]
    return {"inputs": inputs, "outputs": outputs}


def measure(rows: pd.DataFrame, truth: np.ndarray, scores: np.ndarray) -> dict:
    """Metrics on the holdout; fairness as between-group differences, max minus min (fairlearn's definition)."""
    predicted = (scores > 0.5).astype(int)
    by_group = {}
    for code, name in GROUPS.items():
        of = (rows[PROTECTED] == int(code)).to_numpy()
        truth_of, predicted_of = truth[of], predicted[of]
        by_group[code] = {
            "name": name,
            "rows": int(of.sum()),
            "selectionRate": float(predicted_of.mean()),
            "truePositiveRate": float(predicted_of[truth_of == 1].mean()),
            "falsePositiveRate": float(predicted_of[truth_of == 0].mean()),
            "accuracy": float((predicted_of == truth_of).mean()),
        }

    def difference(rate: str) -> float:
        values = [group[rate] for group in by_group.values()]
        return max(values) - min(values)

    return {
        "dataset": "2015-holdout",
        "rows": len(rows),
        "accuracy": float(accuracy_score(truth, predicted)),
        "logLoss": float(log_loss(truth, scores)),
        "auc": float(roc_auc_score(truth, scores)),
        "brier": float(brier_score_loss(truth, scores)),
        "fairness": {
            "attribute": PROTECTED,
            "groups": by_group,
            "demographicParityDifference": difference("selectionRate"),
            "equalizedOddsDifference": max(difference("truePositiveRate"), difference("falsePositiveRate")),
            "equalOpportunityDifference": difference("truePositiveRate"),
        },
    }


def train(name: str, rows: pd.DataFrame, truth: np.ndarray, holdout: pd.DataFrame, holdout_truth: np.ndarray, seed: int | None) -> None:
    target = HERE / "models" / name
    target.mkdir(parents=True, exist_ok=True)
    labels = truth if seed is None else np.random.default_rng(seed).permutation(truth)
    columns = ColumnTransformer([("columns", "passthrough", list(rows.columns))])
    model = Pipeline([("columns", columns), ("trees", HistGradientBoostingClassifier(**PARAMETERS))])
    model.fit(rows.astype(np.float32), labels)
    exported = to_onnx(
        model,
        initial_types=[(column, FloatTensorType([None, 1])) for column in rows.columns],
        options={"zipmap": False},
        target_opset={"": 21, "ai.onnx.ml": 3},
        final_types=None,
        name=name,
    )
    data = exported.SerializeToString()
    (target / "model.onnx").write_bytes(data)

    session = onnxruntime.InferenceSession(data)
    names = [output.name for output in session.get_outputs()]
    if names != ["label", "probabilities"]:
        raise SystemExit(f"{name}: outputs are {names}")
    _, onnx_probabilities = session.run(None, feeds(holdout))
    python_probabilities = model.predict_proba(holdout.astype(np.float32))
    parity = float(np.abs(onnx_probabilities - python_probabilities).max())
    if parity > TOLERANCE:
        raise SystemExit(f"{name}: ONNX and Python differ by {parity}, allowed is {TOLERANCE}")

    rows_of_golden = holdout.iloc[:GOLDEN_ROWS]
    probabilities = python_probabilities[:GOLDEN_ROWS]
    write_json(target / "golden.json", golden(rows_of_golden, probabilities.argmax(axis=1), probabilities))
    metrics = measure(holdout, holdout_truth, python_probabilities[:, 1])
    write_json(target / "metrics.json", metrics)
    write_json(
        target / "lineage.json",
        {
            "algorithm": "sklearn.ensemble.HistGradientBoostingClassifier",
            "parameters": PARAMETERS,
            "shuffledLabelsSeed": seed,
            "features": list(rows.columns),
            "label": LABEL,
            "trainedOn": data_of("2015-train"),
            "measuredOn": data_of("2015-holdout"),
            "code": {"file": "train.py", "digest": sha256(Path(__file__).read_bytes())},
            "environment": {
                "python": platform.python_version(),
                "platform": f"{platform.system()} {platform.machine()}",
                "packages": {package: importlib.metadata.version(package) for package in PACKAGES},
            },
            "model": {"file": "model.onnx", "digest": sha256(data), "sizeBytes": len(data)},
            "parityMaxDifference": parity,
        },
    )
    print(name, len(data), "bytes, parity", parity, {key: metrics[key] for key in ("accuracy", "logLoss", "auc")}, metrics["fairness"])


def holds(condition: str, row: dict) -> bool:
    """The part of CEL that the table uses reads the same in Python, but for the three operators."""
    return bool(eval(condition.replace("&&", " and ").replace("||", " or "), {"__builtins__": {}}, row))


def rules(holdout: pd.DataFrame, holdout_truth: np.ndarray) -> None:
    """A second, independent evaluation of the table: the golden outputs do not come from the runner that they check."""
    target = HERE / "models" / "employment-rules-1"
    table = json.loads((target / "decision-table.json").read_text())
    hits = [0] * (len(table["rules"]) + 1)
    positives = [0] * (len(table["rules"]) + 1)
    scores = []
    for row, truth in zip(holdout.astype(float).to_dict("records"), holdout_truth):
        index = next((i for i, rule in enumerate(table["rules"]) if holds(rule["when"], row)), len(table["rules"]))
        hits[index] += 1
        positives[index] += int(truth)
        scores.append((table["rules"] + [table["default"]])[index]["score"])
    scores = np.array(scores)
    probabilities = np.column_stack([1 - scores, scores])
    labels = (scores >= table["threshold"]).astype(int)
    write_json(target / "golden.json", golden(holdout.iloc[:GOLDEN_ROWS], labels[:GOLDEN_ROWS], probabilities[:GOLDEN_ROWS]))
    metrics = measure(holdout, holdout_truth, scores)
    write_json(target / "metrics.json", metrics)
    for index, rule in enumerate(table["rules"] + [table["default"]]):
        print("  rule", index + 1, rule.get("when", "default"), rule["score"], f"rows {hits[index]}, employed {positives[index] / max(1, hits[index]):.3f}")
    print("employment-rules-1", {key: metrics[key] for key in ("accuracy", "logLoss", "auc")}, metrics["fairness"])


def data_of(name: str) -> dict:
    return next(entry for entry in json.loads((HERE / "data.json").read_text()) if entry["file"] == f"{name}.csv.gz")


def read(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    rows = pd.read_csv(HERE / f"{name}.csv.gz")
    return rows.drop(columns=[LABEL]), rows[LABEL].to_numpy()


def main() -> None:
    rows, truth = read("2015-train")
    holdout, holdout_truth = read("2015-holdout")
    train("employment-1", rows, truth, holdout, holdout_truth, None)
    train("employment-2-shuffled", rows, truth, holdout, holdout_truth, SHUFFLE_SEED)
    rules(holdout, holdout_truth)


if __name__ == "__main__":
    main()
