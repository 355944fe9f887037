"""One page with everything about some runs, which opens without a network and without a server."""

from __future__ import annotations

from mlbench.errors import NothingToDrawError
from mlbench.report.material import Material
from mlbench.report.page.document import document
from mlbench.report.page.popups import Popups
from mlbench.report.page.study import Study
from mlbench.store.user_sql import nothing_chosen


def page(
    material: Material,
    *,
    title: str = "mlbench report",
    paper: bool = False,
    troubles: tuple[str, ...] = (),
) -> str:
    """Return the text of the page.

    It depends on the runs alone, not on when it is made: the same runs give the same text.

    Args:
        material: The runs.
        title: What stands on top.
        paper: Whether tables have the paper's numbers beside their own.
        troubles: Why the page may lack what was recorded last.

    Raises:
        NothingToDrawError: There is no run, finished or not.
    """
    from mlbench.report.page.sections import SECTIONS

    if material.runs.is_empty():
        raise NothingToDrawError(nothing(material))
    study = Study(material, Popups(material.paths), paper=paper)
    sections = [make(study) for make in SECTIONS]
    return document(study, title, sections, troubles)


def nothing(material: Material) -> str:
    """Return why there is no run to report."""
    paths = material.paths
    if material.where is not None:
        return nothing_chosen(paths, material.where)
    return (
        f"{paths.database} has no run yet; make one: mlbench run maml --train sine --budget smoke"
        f"{paths.option}"
    )
