"""A file of vectors, read under our names."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlbench.contract import Batch, Parameters, TaskBatch

LSTM = {
    "x2h_w": "lstm.input.weight",
    "x2h_b": "lstm.input.bias",
    "h2h_w": "lstm.hidden.weight",
    "h2h_b": "lstm.hidden.bias",
}
GATES = {
    "WF": "forget_gate.weight",
    "bF": "forget_gate.bias",
    "WI": "input_gate.weight",
    "bI": "input_gate.bias",
}


@dataclass
class Reference:
    """One file of vectors."""

    arrays: dict[str, np.ndarray[Any, np.dtype[Any]]]
    config: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.config = json.loads(str(self.arrays["config_json"]))

    @classmethod
    def read(cls, path: Path) -> Reference:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(dict(arrays))

    def __contains__(self, key: str) -> bool:
        return key in self.arrays

    def tensor(self, key: str) -> Tensor:
        array = self.arrays[key]
        return torch.from_numpy(np.asarray(array, np.int64 if array.dtype.kind == "i" else None))

    def named(self, prefix: str) -> Parameters:
        """Return the tensors below a prefix, by our names, θ as one flat vector."""
        names = [key.removeprefix(prefix) for key in self.arrays if key.startswith(prefix)]
        theta = sorted((n for n in names if n.startswith("theta")), key=lambda n: int(n[5:]))
        parts = [self.tensor(prefix + name).flatten() for name in theta or ["cI"]]
        found = {"theta": torch.cat(parts)}
        hidden = sum(n.startswith("phi_lin") and n.endswith("weight") for n in names)
        for name in names:
            if name.startswith("phi"):
                _, layer, kind = name.split("_")
                index = hidden if layer == "out" else int(layer.removeprefix("lin")) - 1
                found[f"phi.{index}.{kind}"] = self.tensor(prefix + name)
            elif name == "alpha":
                found["alpha"] = self.tensor(prefix + name).flatten()
            elif name in LSTM:
                found[LSTM[name]] = self.tensor(prefix + name)
            elif name in GATES:  # there, a gate is a column; here, a linear layer
                found[GATES[name]] = self.tensor(prefix + name).mT.squeeze(1)
        return found

    def task(self, prefix: str = "") -> TaskBatch:
        """Return one task, with a leading dimension of one."""
        parts = (
            Batch(*(self.tensor(f"{prefix}{part}_{x}")[None] for x in "xy"))
            for part in ("support", "query")
        )
        return TaskBatch(*parts)
