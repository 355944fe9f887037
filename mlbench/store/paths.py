"""Where a database and all that belongs to it lie."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from mlbench.errors import MisuseError, StoreError

DATABASE = Path("runs.duckdb")
"""What commands take for the database where ``--db`` names no other."""


@dataclass(frozen=True)
class StorePaths:
    """The files of one store; ``runs.duckdb`` keeps them in ``runs/`` beside itself.

    Args:
        database: The DuckDB file; need not exist.
    """

    database: Path

    def __post_init__(self) -> None:
        if not self.database.suffix:
            raise MisuseError(
                f"{self.database} cannot name a database, because its journals lie in a folder of"
                f" that name; give it a suffix, such as {self.database}.duckdb"
            )

    @property
    def option(self) -> str:
        """Return what commands need to find this store: ``" --db PATH"``, or nothing."""
        return "" if self.database == DATABASE else f" --db {shlex.quote(str(self.database))}"

    @property
    def lock(self) -> Path:
        """Return the file whose ``flock`` decides who may open the database."""
        return self.database.with_name(self.database.name + ".lock")

    @property
    def folder(self) -> Path:
        """Return the folder of journals, checkpoints and locks."""
        return self.database.with_suffix("")

    @property
    def journals(self) -> Path:
        """Return the folder of journals."""
        return self.folder / "journal"

    @property
    def checkpoints(self) -> Path:
        """Return the folder of checkpoints."""
        return self.folder / "checkpoints"

    @property
    def locks(self) -> Path:
        """Return the folder of the locks that running runs hold."""
        return self.folder / "locks"

    def journal(self, run_id: str, attempt: int) -> Path:
        """Return the journal of one attempt of a run."""
        return self.journals / f"{run_id}.{attempt}.jsonl"

    def pruned_journal(self, run_id: str, attempt: int) -> Path:
        """Return the journal of one attempt that has no training episodes any more."""
        return self.journals / f"{run_id}.{attempt}.pruned.jsonl"

    def checkpoint(self, run_id: str) -> Path:
        """Return where the state of a run is saved."""
        return self.checkpoints / f"{run_id}.ckpt"

    def traceback(self, run_id: str, attempt: int) -> Path:
        """Return where the traceback of a failed attempt is kept."""
        return self.folder / "tracebacks" / f"{run_id}.{attempt}.txt"

    def run_lock(self, run_id: str) -> Path:
        """Return the file that a run holds locked while it is alive."""
        return self.locks / f"{run_id}.lock"

    def make(self, folder: Path) -> None:
        """Make one of this store's folders, but never the folder that the database is in.

        Raises:
            StoreError: The database's own folder is missing, or nothing can be written there.
        """
        self.check_home()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise StoreError(
                f"{folder} cannot be made: {err.strerror}; free or unlock that place, or name"
                " another database with --db"
            ) from err

    def check_home(self) -> None:
        """Refuse a database in a folder that does not exist: most likely a slip of the pen.

        Raises:
            StoreError: There is no such folder.
        """
        home = self.database.parent
        if not home.is_dir():
            raise StoreError(
                f"the folder {home} of {self.database.name} does not exist; make it, or name"
                " another database with --db"
            )
