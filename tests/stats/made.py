"""A made-up row of the view ``results``, which tests of statistics change as they need."""

from __future__ import annotations

from datetime import datetime
from typing import Any

RESULT: dict[str, Any] = {
    "run_id": "r",
    "algorithm": "maml",
    "train_dataset": "mini",
    "eval_dataset": "cub",
    "kind": "classification",
    "ways": 5,
    "shots": 1,
    "queries": 16,
    "seed": 0,
    "protocol": "corrected",
    "budget": "paper",
    "train_tasks": 60_000,
    "validation_tasks": 600,
    "validate_every": 2_500,
    "test_tasks": 600,
    "precision": "float32",
    "statistic": "median",
    "status": "finished",
    "score": 0.5,
    "score_median": 0.45,
    "nan_episodes": 0,
    "incomplete": None,
    "train_fingerprint": "f-mini",
    "eval_fingerprint": "f-cub",
    "settings_hash": "5e77",
    "stacked": 1,
    "finished": datetime(2026, 11, 23, 5),  # noqa: DTZ001
}
