"""``docs/plugins.md``: every command in it does what it says, in the order in which it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlbench.cli import main

GUIDE = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ {4}(mlbench .*)$", GUIDE, re.MULTILINE)
FEW = ("--train-tasks", "4", "--validation-tasks", "2", "--test-tasks", "2", "--threads", "1")
SMALL = ("--set", "learner.channels=4")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Yield what each command prints, by command, the rule being edited as the guide says."""
    (code,) = re.findall(r"```python\n(.+?)```", GUIDE, re.DOTALL)
    folder = tmp_path_factory.mktemp("guide")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLBENCH_PLUGINS", raising=False)
        for command in COMMANDS:
            arguments = shlex.split(command)[1:]
            if "run" in arguments:
                arguments += [*FEW, *(SMALL if "blots" in arguments else ())]
            result = CliRunner().invoke(main, arguments)
            assert result.exit_code == 0, f"{command}: {result.output}"
            found[command] = result.output
            if arguments == ["new", "algorithm", "heavy_ball"]:
                file = folder / "algorithms" / "heavy_ball.py"
                source = file.read_text()
                before, after = source.index("@dataclass"), source.index("class HeavyBall(Gr")
                file.write_text(f"{source[:before]}{code}\n\n{source[after:]}")
        yield found


def test_the_guide_leads_to_a_row_in_the_table(outputs: dict[str, str]) -> None:
    table = outputs["mlbench table"]
    assert re.search(r"^heavy_ball +[\d.]+ \[", table, re.MULTILINE)
    assert "3 runs: the interval is their whole range and holds the truth 75 times" in table


def test_what_new_and_check_print_is_what_the_guide_shows(outputs: dict[str, str]) -> None:
    for command in ("mlbench new algorithm heavy_ball", "mlbench check heavy_ball"):
        rest = GUIDE.partition(f"\n\n    {command}\n")[2]
        (block, *_) = re.findall(r"(?:^ {4}.*\n)+", rest.partition("```python")[0], re.MULTILINE)
        for line in block.splitlines():
            told = line.strip()
            if told != "..." and ".../" not in told:
                assert told in outputs[command]
