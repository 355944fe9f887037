"""The technique that a file of vectors is about, set up as the file says."""

from __future__ import annotations

from typing import Any

from mlbench.contract import Problem
from mlbench.engines import Engine
from mlbench.inner import GradientBased
from mlbench.learners import MLP, Conv4, Conv4Options
from mlbench.registry import load_algorithm
from tests.reference.vectors import Reference

Config = dict[str, Any]


class NoTechniqueError(Exception):
    """A file is about a technique, or a form of one, that mlbench does not have."""


def technique(reference: Reference, engine: Engine) -> GradientBased:
    """Return the technique that a file is about, set up as the file says."""
    config = reference.config
    name, settings = chosen(config)
    settings |= {
        "train_steps": config["T"],
        "test_steps": config.get("T_test", config["T"]),
        "order": 2 if config["second_order"] else 1,
        "meta_clip": config["grad_clip"],
    }
    algorithm = load_algorithm(name)
    built = algorithm(algorithm.Hyper(**settings), problem(reference), engine)
    assert isinstance(built, GradientBased)
    return built


def problem(reference: Reference) -> Problem:
    """Return what is learnt in a file, by the authors' base-learner."""
    if reference.config["problem"] == "sine":
        return Problem("regression", MLP(1, 1))
    _, _, channels, height, width = reference.task().support.x.shape
    outputs = reference.tensor("query_pred").shape[1]
    learner = Conv4((channels, height, width), outputs, Conv4Options(padding=0))
    return Problem("classification", learner)


def chosen(config: Config) -> tuple[str, dict[str, Any]]:
    """Return the name of a technique, and those of its settings that not all of them have."""
    if "base_lr" in config:
        return "maml", of_maml(config)
    if "layers" in config:
        return "turtle", of_turtle(config)
    if "hidden_size" in config:
        return "lstm", of_lstm(config)
    raise NoTechniqueError(f"no technique of mlbench's matches {config['alg']}")


def of_maml(config: Config) -> dict[str, Any]:
    return {
        "inner_lr": config["base_lr"],
        # the authors' code clips where there are several steps
        "clip": None if config["T"] == 1 else config["grad_clip"],
        "meta_batch": config["meta_batch_size"],
    }


def of_turtle(config: Config) -> dict[str, Any]:
    unsupported = {"layer_wise": False, "decouple": None, "act": "ReLU"}
    if any(config[key] != value for key, value in unsupported.items()):
        raise NoTechniqueError(f"mlbench's TURTLE has no other {', '.join(unsupported)}")
    if config["input_type"] != "raw_grads":
        raise NoTechniqueError(f"mlbench's TURTLE has no input {config['input_type']}")
    return {
        "clip": config["grad_clip"],
        "meta_batch": config["meta_batch_size"],
        "hidden": tuple(config["layers"][:-1]),
        "history": "gradients" if config["history"] == "grads" else config["history"],
        "beta": config["beta"],
        "learn_rates": config["param_lr"],
        "time": config["time_input"],
    }


def of_lstm(config: Config) -> dict[str, Any]:
    inputs = {"proc_loss_grads": "processed", "raw_grads": "raw"}
    if config["input_type"] not in inputs:
        raise NoTechniqueError(f"mlbench's LSTM has no input {config['input_type']}")
    return {
        "hidden": config["hidden_size"],
        "inputs": inputs[config["input_type"]],
        "gates": "pre-sigmoid",
        "divide": True,
    }
