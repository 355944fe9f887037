"""Names that somebody might give to do harm, and a store in which everything is called so."""

from __future__ import annotations

from dataclasses import dataclass
from unicodedata import category

from mlbench.store.paths import StorePaths
from tests.gallery import Made, fill

TERMINAL = "\x1b]0;owned\x07\x1b[31m\x9b2J\x85\r\b\x7f\u202egnp.\u2028"
MARKUP = "[red]r[/red][@click=app.quit]q[/][/nope] <b onmouseover=alert(1)>"
LATEX = r"\input{/etc/passwd}\write18{id}\\[9cm] & $x$ % #"
MARKDOWN = "|a|`b`[l](javascript:alert(1)) ![i](http://x/y.png) <script>alert(1)</script>"
FORMULA = "=cmd|' /C calc'!A0"
EXPRESSION = r'a\" + warn(1) + "b'
NAMES = (TERMINAL, MARKUP, LATEX, MARKDOWN, FORMULA, EXPRESSION)
EVERYTHING = TERMINAL + MARKUP + LATEX + MARKDOWN + EXPRESSION


@dataclass(frozen=True, kw_only=True)
class Hostile(Made):
    """A run whose name is hostile too, as far as a file's can be."""

    @property
    def run_id(self) -> str:
        """Return its name."""
        name = f"{self.algorithm}{self.train_dataset}".replace("/", "").replace("\n", "")
        return f"{name.encode()[:150].decode(errors='ignore')}{self.digest[:6]}"


def fill_with(paths: StorePaths, name: str) -> StorePaths:
    """Fill a store with runs of which all that has a name has this one."""
    settings = (("train_steps", 5), (f"note{name}", name))
    shared = {"train_dataset": f"tr{name}", "eval_datasets": (f"ev{name}",), "budget": f"bu{name}"}
    runs: list[Made] = [
        Hostile(
            algorithm=algorithm,
            seed=seed,
            hyperparameters=settings[: 1 + seed % 2],
            train_tasks=100,
            validation_tasks=2,
            test_tasks=6,
            **shared,  # type: ignore[arg-type]
        )
        for algorithm in (name, "maml")
        for seed in range(2)
    ]
    failed = Hostile(
        algorithm=name,
        seed=9,
        status="failed",
        error=f"err {name}",
        until=0.5,
        protocol=f"pr{name}",
        **shared,  # type: ignore[arg-type]
    )
    return fill(paths, [*runs, failed])


def steering(text: str) -> set[str]:
    """Return what would steer a terminal in lines of text."""
    return {each for each in text if category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} - {"\n"}
