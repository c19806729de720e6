"""Makes the committed subset of the employment data from the three Parquet files of the nannyml wheel.

    pip download nannyml==0.13.1 --no-deps && unzip nannyml-0.13.1-*.whl
    python prepare.py nannyml/datasets/data

Every row of every year is kept; the columns id, year, prediction and predicted_probability are left out. Deterministic:
rows stay in the order of their ids, and a row of 2015 goes into training or holdout by a hash of its id. The same wheel
gives the same CSV text on every machine (gzip's bytes depend on the zlib version). Columns are described in README.md.
"""

import gzip
import hashlib
import io
import json
import sys
from pathlib import Path

import pandas as pd

FEATURES = [
    "AGEP", "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM", "SEX", "RAC1P",
]
# 1 where the ACS variable ESR (employment status) says "civilian employed, at work", else 0. The wheel calls it "employed".
LABEL = "ESR"
COLUMNS = [*FEATURES, LABEL]

YEARS = [2015, 2016, 2017, 2018]

# The share of 2015, in basis points, that no model sees in training.
HOLDOUT_BPS = 2_500


def bucket(purpose: str, row_id: int) -> int:
    """0 to 9,999 from the first four bytes of SHA-256, as split@1 does for traffic."""
    return int.from_bytes(hashlib.sha256(f"{purpose}:{row_id}".encode()).digest()[:4], "big") % 10_000


def read(source: Path) -> pd.DataFrame:
    reference = pd.read_parquet(source / "employment_MA_reference.pq")
    analysis = pd.read_parquet(source / "employment_MA_analysis.pq")
    target = pd.read_parquet(source / "employment_MA_analysis_target.pq")
    analysis = analysis.merge(target, on="id", validate="one_to_one")
    rows = pd.concat([reference, analysis]).rename(columns={"employed": LABEL})
    rows = rows[["id", "year", *COLUMNS]].astype({column: "float64" for column in FEATURES})
    if rows.isna().any().any():
        raise SystemExit("the source has missing values; the demo's columns have none")
    if not (rows[FEATURES] % 1 == 0).all().all():
        raise SystemExit("the source has fractions; the demo's columns are whole numbers")
    return rows.astype({column: "int64" for column in FEATURES}).sort_values("id")


def write(rows: pd.DataFrame, file: Path) -> dict:
    text = rows[COLUMNS].to_csv(index=False, lineterminator="\n").encode()
    packed = io.BytesIO()
    # No time and no name in the gzip header: equal rows are equal bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as stream:
        stream.write(text)
    file.write_bytes(packed.getvalue())
    return {
        "file": file.name,
        "rows": len(rows),
        "sizeBytes": len(packed.getvalue()),
        "csvDigest": "sha256:" + hashlib.sha256(text).hexdigest(),
        "fileDigest": "sha256:" + hashlib.sha256(packed.getvalue()).hexdigest(),
    }


def main() -> None:
    rows = read(Path(sys.argv[1]))
    target = Path(__file__).parent
    made = []
    for year in YEARS:
        kept = rows[rows["year"] == year]
        if year == 2015:
            in_holdout = pd.Series([bucket("holdout", row_id) < HOLDOUT_BPS for row_id in kept["id"]], index=kept.index)
            made.append(write(kept[~in_holdout], target / "2015-train.csv.gz"))
            made.append(write(kept[in_holdout], target / "2015-holdout.csv.gz"))
        else:
            made.append(write(kept, target / f"{year}.csv.gz"))
    (target / "data.json").write_text(json.dumps(made, indent=2) + "\n")
    for entry in made:
        print(entry["file"], entry["rows"], "rows", entry["sizeBytes"], "bytes", entry["csvDigest"])


if __name__ == "__main__":
    main()
