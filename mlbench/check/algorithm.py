"""What a technique owes."""

from __future__ import annotations

import pickle

from mlbench.check import gradients, predictions, stacks, steps, training
from mlbench.check.description import check_refusals, check_words
from mlbench.check.finding import BreachError, Check
from mlbench.check.problems import Technique

RUNS = ("runs",)
PURE = (*RUNS, "stateless", "deterministic")


def check_described(technique: Technique) -> None:
    """Look for docstrings, a paper and lines of help."""
    check_words(technique.cls, technique.cls.paper, technique.cls.Hyper)


def check_hyperparameters(technique: Technique) -> None:
    """Try values that must be refused."""
    check_refusals(technique.cls.Hyper)


def check_pickles(technique: Technique) -> None:
    """Send the class, its hyperparameters and an instance through pickle."""
    cls, hyper = technique.cls, technique.defaults()
    algorithm = technique.build(hyper)
    for what, thing in (("class", cls), ("hyperparameters", hyper), ("instance", algorithm)):
        try:
            back = pickle.loads(pickle.dumps(thing))  # noqa: S301 - made a moment ago
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise BreachError(f"its {what} cannot be pickled: {error}") from error
        if what != "instance" and back != thing:
            raise BreachError(f"its {what} come back from pickle as others")


ALGORITHM_CHECKS: tuple[Check[Technique], ...] = (
    Check(
        "described",
        "file and class have docstrings, every hyperparameter a line of help",
        check_described,
        "say it: 'mlbench list' and 'mlbench describe' show it",
    ),
    Check(
        "hyperparameters",
        "refuse unknown names, wrong types and values out of range",
        check_hyperparameters,
        'declare each as NAME: TYPE = hp(DEFAULT, "HELP", at_least=..., above=...)',
    ),
    Check(
        "pickles",
        "class, hyperparameters and instance survive pickle",
        check_pickles,
        "define classes and functions at the top of the file; keep no lambdas or generators",
    ),
    Check(
        "runs",
        "meta_step and predict return what they owe, in form and precision",
        steps.check_runs,
        "see MetaStep and Algorithm.predict in mlbench.contract",
    ),
    Check(
        "stateless",
        "nothing is remembered between calls, and meta is left as it is",
        steps.check_stateless,
        "keep in meta what training learns; store nothing on self or in the module",
        RUNS,
    ),
    Check(
        "deterministic",
        "one seed gives one result, bit for bit, and another seed another",
        training.check_deterministic,
        "draw from generator in initialise and from randomness in predict, from nothing else",
        RUNS,
    ),
    Check(
        "resumes",
        "a run stopped after any event and resumed ends the same, bit for bit",
        training.check_resumes,
        "keep in meta, or in the optimiser, all that training changes",
        PURE,
    ),
    Check(
        "engines",
        "tasks looped and tasks stacked give the same to 1e-8",
        steps.check_engines,
        "in what runs per task, branch on no tensor's value, and write into none",
        PURE,
    ),
    Check(
        "stackable",
        "runs computed as one program are what they are alone, to 1e-8",
        stacks.check_stackable,
        "leave nothing to chance, branch on no tensor's value; or let stackable be False",
        (*PURE, "engines"),
    ),
    Check(
        "order",
        "order 1 takes no second derivatives, and order 2 does",
        gradients.check_order,
        "pass constant=order == 1 to inner_gradient, and detach nothing else",
        PURE,
    ),
    Check(
        "exact",
        "meta-gradients equal finite differences of the query losses",
        gradients.check_exact,
        "mend the gradient; if it is another on purpose, say so: let the property exact be False",
        PURE,
    ),
    Check(
        "independent",
        "what a task predicts depends on no other task",
        predictions.check_independent,
        "mix nothing across the first dimension; take random numbers per task",
        PURE,
    ),
    Check(
        "inductive",
        "with inductive batch-norm, a prediction depends on no other query",
        predictions.check_inductive,
        "predict through problem.answer or problem.embed, which know of inductive",
        PURE,
    ),
    Check(
        "blind",
        "accuracy is chance where inputs say nothing of the labels",
        predictions.check_blind,
        "rely neither on the order of queries nor on labels that were seen before",
        (*RUNS, "engines"),
    ),
    Check(
        "survives",
        "parameters that are not numbers raise nothing",
        training.check_survives,
        "let NaN through: losses that are NaN are recorded, and the run goes on",
        RUNS,
    ),
    Check(
        "learns",
        "a moment of training makes it better on an easy problem",
        training.check_learns,
        "look at the sign of the gradients, at the learning rates, and at what initialise draws",
        RUNS,
    ),
)
