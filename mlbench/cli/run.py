"""``mlbench run``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from mlbench.cli.execution import ExecutionOptions, execution_options
from mlbench.cli.outcome import report
from mlbench.cli.parameters import PerClass, PluginName, Seeds, Setting, database_option

COUNT = click.IntRange(min=1)
SEED = click.IntRange(min=0)


@click.command()
@click.argument("algorithm", type=PluginName("algorithms"))
@click.option(
    "--train", required=True, type=PluginName("datasets"), help="Meta-train on this data set."
)
@click.option(
    "--eval",
    "evals",
    multiple=True,
    type=PluginName("datasets"),
    help="Meta-test on this data set too; repeatable.",
)
@click.option("--ways", type=click.IntRange(min=2), help="Classes per episode.  [default: 5]")
@click.option(
    "--shots", type=PerClass(), default=5, show_default=True, help="Support examples per class."
)
@click.option(
    "--queries",
    type=PerClass(),
    help="Query examples per class.  [default: 16; sine: 50; omniglot: 15]",
)
@click.option("--seed", type=SEED, help="Seed of the run.  [default: 0]")
@click.option("--seeds", type=Seeds(), help="Several seeds, one run each: 0-4 or 0,2,7.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    type=Setting(),
    help="Set a hyperparameter, or an option as DATASET.NAME, learner.NAME or protocol.NAME;"
    " repeatable.",
)
@click.option(
    "--protocol",
    type=click.Choice(["corrected", "released"]),
    default="corrected",
    show_default=True,
    help="Follow the paper's text, or what the authors' code does.",
)
@click.option(
    "--budget",
    type=click.Choice(["paper", "quick", "smoke"]),
    default="paper",
    show_default=True,
    help="How many tasks.",
)
@click.option("--train-tasks", type=click.IntRange(min=0), help="Tasks of meta-training.")
@click.option("--validation-tasks", type=COUNT, help="Tasks of each validation.")
@click.option("--validate-every", type=COUNT, help="Training tasks between two.")
@click.option("--test-tasks", type=COUNT, help="Tasks of the meta-test on each data set.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="Of the arithmetic.",
)
@execution_options
@database_option
@click.option(
    "--no-ingest", is_flag=True, help="Leave the database to others, who take the journals in."
)
@click.option("--again", is_flag=True, help="Run even if this very spec is finished.")
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON, a line per run.")
def command(
    algorithm: str,
    train: str,
    evals: tuple[str, ...],
    seed: int | None,
    seeds: tuple[int, ...] | None,
    settings: tuple[tuple[str, str], ...],
    execution: ExecutionOptions,
    database: Path,
    no_ingest: bool,
    again: bool,
    as_json: bool,
    **request: Any,
) -> None:
    r"""Meta-train ALGORITHM and meta-test it, recording every episode.

    A run that is finished in the database is shown instead of run again; one that was
    interrupted goes on.

    \b
    Examples:
      mlbench run turtle --train shapes --eval glyphs --budget quick
      mlbench run maml --train sine --seeds 0-4 --set inner_lr=0.05
      mlbench run maml --train mini --eval cub --shots 1 --set learner.channels=32
      mlbench run lstm --train mini --protocol released --set protocol.replacement=false
    """
    if seed is not None and seeds is not None:
        raise click.UsageError("--seed and --seeds exclude each other; give one of them")
    from mlbench.cli.progress import observer, tell
    from mlbench.images.overlaps.report import run_warnings
    from mlbench.run.setup import Request, prepare
    from mlbench.session.launch import launch
    from mlbench.store.paths import StorePaths

    paths = StorePaths(database)
    twice = [name for name, count in Counter(name for name, _ in settings).items() if count > 1]
    if twice:
        raise click.UsageError(f"--set {twice[0]} is given twice; give one value")
    asked = Request(
        algorithm=algorithm, train=train, evals=evals, settings=dict(settings), **request
    )
    experiment = prepare(asked)
    chosen = execution.choose(experiment.spec.kind)
    for line in run_warnings(experiment.datasets, train):
        tell(line)
    experiments = [experiment.with_seed(one) for one in seeds or (seed or 0,)]
    code = 0
    for launched in launch(
        experiments, chosen, paths, observer, tell, again=again, take_in=not no_ingest
    ):
        report(launched, database, as_json=as_json)
        code = code or launched.exit_code
    if code:
        raise SystemExit(code)
