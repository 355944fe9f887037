"""The distributions against scipy's, and against what is known of them."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from scipy import special  # type: ignore[import-untyped]

from mlbench.stats.student import normal_below, t_below, t_quantile

DEGREES = [*range(1, 40), 99, 100, 501, 1_000]


@pytest.mark.parametrize("degrees", DEGREES)
def test_student_is_that_of_scipy(degrees: int) -> None:
    for t in (-40.0, -1.96, 0.0, 0.3, 12.7, 1e4):
        assert t_below(degrees, t) == pytest.approx(special.stdtr(degrees, t), abs=1e-14)
    for probability in (0.5, 0.6, 0.95, 0.975, 0.9995):
        expected = special.stdtrit(degrees, probability)
        assert t_quantile(degrees, probability) == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_student_of_one_degree_is_cauchy() -> None:
    assert t_below(1, 1.0) == pytest.approx(0.75, abs=1e-15)
    assert t_quantile(1, 0.75) == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("x", [-8.0, -1.96, 0.0, 1.0, math.inf])
def test_the_normal_distribution_is_that_of_scipy(x: float) -> None:
    assert normal_below(x) == pytest.approx(special.ndtr(x), rel=1e-12)


def test_the_statistics_of_a_table_need_no_scipy() -> None:
    code = (
        "import sys\n"
        "from mlbench.report.material import Material\n"
        "from mlbench.stats.caveats import caveat\n"
        "from mlbench.stats.intervals import median_interval\n"
        "median_interval([1.0, 2.0, 4.0]), caveat('mean', 5)\n"
        "sys.exit('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
