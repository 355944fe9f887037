"""What somebody types while things go wrong, done in this process; and what must be left then."""

from __future__ import annotations

from typing import Any, NamedTuple

from click.testing import CliRunner

from mlbench.cli import main
from mlbench.store.connection import read
from mlbench.store.paths import StorePaths

SINE = (
    *("run", "maml", "--train", "sine", "--queries", "10", "--train-tasks", "30"),
    *("--validation-tasks", "20", "--validate-every", "10", "--test-tasks", "20", "--threads", "1"),
    *("--set", "train_steps=1", "--set", "test_steps=1", "--compile", "off"),
)
"""A run of a moment."""
SINE_EPISODES = 30 + 4 * 20 + 20
RECORDED = """
    SELECT phase, eval_dataset, episode, step, loss, score, episode_key, position
    FROM episodes WHERE run_id = $run_id ORDER BY position
"""


class Told(NamedTuple):
    """What a command left on the terminal."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """Return the message of its failure, which has to be one line with a remedy."""
        lines = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        assert len(lines) == 1, self.err
        assert self.err.splitlines()[-1] == lines[0], "the error is what is told last"
        assert ";" in lines[0]
        assert self.code == 1
        return lines[0].removeprefix("Error: ")


def typed(paths: StorePaths, *words: str) -> Told:
    """Return what a command says; errors that are not for the user are raised."""
    found = CliRunner().invoke(main, [*words, "--db", str(paths.database)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return Told(found.exit_code, found.stdout, found.stderr)


def recorded(paths: StorePaths, run_id: str) -> list[Any]:
    """Return the episodes of a run as the database has them, but for what a clock measured."""
    with read(paths) as connection:
        return connection.execute(RECORDED, {"run_id": run_id}).fetchall()


def run_ids(paths: StorePaths) -> list[str]:
    """Return the runs that the database has."""
    with read(paths) as connection:
        rows = connection.execute("SELECT run_id FROM runs ORDER BY started, run_id").fetchall()
    return [run_id for (run_id,) in rows]
