"""Made-up runs that were timed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from tests.stats.made import RESULT

BEGIN = datetime(2026, 11, 23, 5)  # noqa: DTZ001
OWN: dict[str, Any] = RESULT | {
    "eval_dataset": "mini",
    "eval_fingerprint": "f-mini",
    "score_median": 0.5,
    "started": BEGIN,
    "finished": BEGIN,
}
SPENT: dict[str, Any] = {
    "train_seconds": 80.0,
    "validation_seconds": 15.0,
    "test_seconds": 5.0,
    "seconds": 100.0,
    "host": "nimbus",
    "cpu": "Epyc",
    "gpu": None,
    "device": "cpu",
    "threads": 1,
    "engine": "loop",
    "stacked": 1,
    "compiled": False,
    "tf32": None,
    "deterministic": None,
}
IN_TIMES = (
    "run_id", "algorithm", "train_dataset", "kind", "ways", "shots", "seed", "protocol", "budget",
    "train_tasks", "status", *SPENT, "score",
)  # fmt: skip
NO_SETTINGS = pl.DataFrame(schema=dict.fromkeys(["run_id", "part", "name", "value"], pl.String))


def run(name: str, algorithm: str = "maml", **told: Any) -> dict[str, Any]:
    """Return a run; ``after`` is its start in seconds."""
    after = told.pop("after", 0)
    fields = {"run_id": name, "algorithm": algorithm, "started": BEGIN + timedelta(seconds=after)}
    return OWN | SPENT | fields | told


def frames(*runs: dict[str, Any]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return times, results on mini and cub, and no hyperparameters."""
    types = {"incomplete": pl.String, "gpu": pl.String, "ways": pl.Int64, "score": pl.Float64}
    types |= {"stacked": pl.Int64, "tf32": pl.Boolean, "deterministic": pl.Boolean}
    whole = pl.DataFrame(list(runs), schema_overrides=types)
    own = whole.select(*OWN)
    away = own.with_columns(eval_dataset=pl.lit("cub"), score=pl.lit(0.1))
    return whole.select(IN_TIMES), pl.concat([own, away]), NO_SETTINGS


def five(algorithm: str, seconds: list[float], **told: Any) -> list[dict[str, Any]]:
    return [
        run(f"{algorithm}{seed}", algorithm, seed=seed, seconds=spent, after=100 * seed, **told)
        for seed, spent in enumerate(seconds)
    ]
