"""Whatever things are called, tables, figures and pages show it and do nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from mlbench.cli import main
from mlbench.printable import printable, printable_json
from mlbench.report.figures.harmless import harmless
from mlbench.report.material import Material
from mlbench.report.page import page
from mlbench.report.page.sections import figures
from mlbench.store.journal import Journal
from mlbench.store.paths import StorePaths
from tests.report.page.outline import parsed
from tests.security.hostile import EVERYTHING, EXPRESSION, FORMULA, NAMES, fill_with, steering

VERBS = (
    ("table",),
    ("table", "--long"),
    ("table", "--format", "markdown"),
    ("table", "--format", "latex"),
    ("table", "--json"),
    ("list", "runs"),
    ("list", "runs", "--json"),
    ("sql", "select * from runs"),
    ("sql", "select * from runs", "--json"),
    ("sql", 'select 1 as "\x1b[31m\u202e"'),
)
CSV_VERBS = (("table", "--csv"), ("list", "runs", "--csv"), ("sql", "from runs", "--csv"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StorePaths:
    return fill_with(StorePaths(tmp_path_factory.mktemp("all") / "runs.duckdb"), EVERYTHING)


def mlbench(paths: StorePaths, *arguments: str) -> Result:
    """Run a verb that may write colours, as on a terminal."""
    command = [*arguments, "--db", str(paths.database)]
    return CliRunner().invoke(main, command, color=True)


@given(st.text())
def test_any_text_is_printable_and_plain_text_stays(text: str) -> None:
    assert not steering(printable(text, lines=True))
    assert printable(text) == text or steering(text) or "\n" in text
    written = json.dumps({text: [text]}, ensure_ascii=False, indent=1)
    assert not steering(printable_json(written))
    assert json.loads(printable_json(written)) == {text: [text]}


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_no_name_steers_a_terminal(store: StorePaths, verb: tuple[str, ...]) -> None:
    result = mlbench(store, *verb)
    assert result.exit_code == 0
    assert not steering(result.output)


@pytest.mark.parametrize("verb", CSV_VERBS, ids=" ".join)
def test_csv_is_data_as_they_are_but_steers_no_terminal(
    store: StorePaths, verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(csv.DictReader(io.StringIO(mlbench(store, *verb).stdout, newline="")))
    assert EVERYTHING in {row["algorithm"] for row in rows}
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    assert not steering(mlbench(store, *verb).stdout)


def test_formulas_in_csv_are_left_as_they_are(tmp_path: Path) -> None:
    paths = fill_with(StorePaths(tmp_path / "runs.duckdb"), FORMULA)
    (row, *_) = csv.DictReader(io.StringIO(mlbench(paths, "table", "--csv").stdout))
    assert FORMULA in row.values()  # docs/security.md says so


@pytest.mark.parametrize(
    "arguments", [("resume", "no\x1b[31m"), ("table", "--where", "'\x1b[31m' = 1"), ("\x1b[31m",)]
)
def test_errors_steer_no_terminal(store: StorePaths, arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*arguments], color=True, env={"PWD": "."})
    assert result.exit_code != 0
    assert not steering(result.stderr)
    assert result.stderr.count("\n") == 1


def test_what_a_damaged_journal_says_of_itself_steers_no_terminal(tmp_path: Path) -> None:
    paths = fill_with(StorePaths(tmp_path / "runs.duckdb"), "plain")
    with Journal.open(paths, "r\x1b[31m", 1):
        pass
    paths.journal("r\x1b[31m", 1).write_bytes(b'{"type":"\x1b[31m"}\n')
    result = mlbench(paths, "table")
    assert "is damaged" in result.stderr
    assert not steering(result.stderr)


def test_latex_runs_no_command_of_a_name(store: StorePaths) -> None:
    written = mlbench(store, "table", "--format", "latex").stdout
    ours = (
        "textbackslash textquotedbl textquotesingle textasciigrave textasciitilde textbar textless"
        " textgreater textbf textit textsuperscript scriptsize rightarrow times pm usepackage begin"
        " end centering caption label smallskip small setlength tabcolsep resizebox ifdim width"
        " linewidth else fi toprule midrule bottomrule multicolumn cmidrule par medskip"
        " footnotesize raggedright addlinespace textasciicircum"
    )
    assert set(re.findall(r"\\([a-zA-Z]+)", written)) <= set(ours.split())
    assert r"\textbackslash{}input\{/etc/passwd\}" in written


def test_markdown_holds_no_link_no_picture_and_no_tag_of_a_name(store: StorePaths) -> None:
    written = mlbench(store, "table", "--format", "markdown").stdout
    bare = re.sub(r"\\[\\`*_|<>~\[\]&]", "", written)
    assert "](" not in bare
    assert "`" not in bare
    assert set(re.findall(r"<[^>]*>", bare)) <= {"<sup>", "</sup>"}
    rows = [line for line in bare.splitlines() if line.startswith("|")]
    tables = re.split(r"(?m)^###", bare)[1:]
    assert rows
    for table in tables:
        assert len({line.count("|") for line in table.splitlines() if line[:1] == "|"}) == 1


@pytest.mark.slow
def test_a_page_holds_no_element_and_no_attribute_of_a_name(
    store: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "FIGURES", {})
    root = parsed(page(Material(store), title=EVERYTHING))
    for each in root.all():
        assert each.name not in {"img", "b", "iframe", "object", "base"}
        assert not [name for name in each.attributes if name.startswith("on")]
    assert [each for each in root.all("code") if "alert(1)" in each.text]


@pytest.mark.parametrize(
    ("figure", "name"),
    [
        ("figure-3.4", EXPRESSION),
        pytest.param("episodes", EVERYTHING, marks=pytest.mark.slow),
        *(
            pytest.param(figure, name, marks=pytest.mark.slow)
            for figure in ("figure-3.4", "learning-curves", "cross-domain", "paired")
            for name in NAMES
        ),
    ],
)
def test_a_figure_is_drawn_and_holds_nothing_but_text(
    name: str, figure: str, tmp_path: Path
) -> None:
    paths = fill_with(StorePaths(tmp_path / "runs.duckdb"), name)
    files = [tmp_path / "figure.svg", tmp_path / "figure.json"]
    result = mlbench(paths, "plot", figure, *(f"-o{file}" for file in files))
    assert result.exit_code == 0, result.output
    root = ET.fromstring(files[0].read_text())  # noqa: S314  ours
    for each in root.iter():
        assert each.tag.rpartition("}")[2] not in {"script", "foreignObject", "image", "a"}
        assert not [key for key in each.attrib if key.startswith("on") or key.endswith("href")]
    assert not steering(files[1].read_text())
    assert "warn(1)" not in name or "∖" in "".join(root.itertext())


def test_a_specification_keeps_its_form_and_its_code() -> None:
    spec = {"labelExpr": r'["\"x"]', "title": EXPRESSION, "data": ({"a\x1b": [1, None, "\x07"]},)}
    assert harmless(spec) == {
        "labelExpr": r'["\"x"]',
        "title": 'a∖" + warn(1) + "b',
        "data": ({"a∖x1b": [1, None, "∖x07"]},),
    }
