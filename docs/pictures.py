"""Make the pictures of the README: real runs, the dashboard over them, and figures.

    python docs/pictures.py                  # some minutes; writes docs/pictures/*.png
    python docs/pictures.py --store DIR      # keeps the runs there; none is run twice
    python docs/pictures.py --budget smoke   # a minute, to try the script

Made with the budget ``smoke``, the numbers in them mean nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import vl_convert
from PIL import Image

from mlbench.cli.progress import tell
from mlbench.store.paths import StorePaths
from mlbench.tui.app import Dashboard

PICTURES = Path(__file__).parent / "pictures"
TECHNIQUES = ("fo_maml", "maml", "anil", "fo_turtle", "protonet", "r2d2")
TASK = ("--train", "shapes", "--eval", "glyphs", "--set", "learner.channels=16")
UNDER_WAY = (
    *("--train-tasks", "2000", "--validation-tasks", "10", "--validate-every", "40"),
    "--again",
)
FIGURES = ("cross-domain",)
SCREENS = (("3", "times"),)
COLOURS = 256  # of a screenshot, which make the file a fraction of its size
FONT = "DejaVu Sans Mono"  # that of the SVG is fetched from the network, or absent
SIZE = (110, 32)  # characters
SCALE = 1.5
SETTLE_SECONDS = 300.0


def main() -> None:
    """Run what the pictures show, and take them."""
    options = parser().parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.store or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        database = folder.resolve() / "runs.duckdb"
        for technique in options.techniques:
            mlbench(
                *("run", technique, *TASK, "--seeds", options.seeds, "--budget", options.budget),
                *("--db", str(database)),
            )
        unfinished = mlbench_in_background(
            *("run", "lstm", *TASK, *UNDER_WAY, "--db", str(database))
        )
        try:
            asyncio.run(take_dashboard(StorePaths(database), options.out))
        finally:
            unfinished.terminate()
            unfinished.wait()
        for figure in FIGURES:
            target = options.out / f"{figure}.png"
            finished = ("--where", "status = 'finished'")
            mlbench("plot", figure, *finished, "-o", str(target), "--db", str(database))


def parser() -> argparse.ArgumentParser:
    """Return what the command line may say."""
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--store", type=Path, help="folder that keeps the runs, to be gone on with")
    made.add_argument("--out", type=Path, default=PICTURES, help="where the pictures go")
    made.add_argument("--budget", choices=("quick", "smoke"), default="quick")
    made.add_argument("--seeds", default="0-4", help="of each technique")
    made.add_argument("--techniques", nargs="+", default=TECHNIQUES)
    return made


def mlbench(*arguments: str) -> None:
    """Run a command of mlbench and wait for it."""
    tell(f"$ mlbench {' '.join(arguments)}")
    subprocess.run([sys.executable, "-P", "-m", "mlbench", *arguments], check=True)  # noqa: S603


def mlbench_in_background(*arguments: str) -> subprocess.Popen[bytes]:
    """Start a command of mlbench, which the dashboard is to show at work."""
    tell(f"$ mlbench {' '.join(arguments)} &")
    command = [sys.executable, "-P", "-m", "mlbench", *arguments]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=nowhere, stderr=nowhere)  # noqa: S603


async def take_dashboard(paths: StorePaths, folder: Path) -> None:
    """Take pictures of the dashboard, while one run goes on."""
    app = Dashboard(paths)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: any(run.validation and run.seconds_left for run in app.snapshot.runs))
        await settle(app)
        save(app.export_screenshot(title="mlbench tui"), folder / "dashboard.png")
        for key, name in SCREENS:
            await pilot.press(key)
            await until(partial(is_at, app, name))
            await settle(app)
            await pilot.pause()
            save(app.export_screenshot(title="mlbench tui"), folder / f"dashboard-{name}.png")


def is_at(app: Dashboard, mode: str) -> bool:
    """Return whether the screen of a mode is in front."""
    return app.current_mode == mode


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that the dashboard is about to show."""
    async with asyncio.timeout(SETTLE_SECONDS):
        while not true():
            await asyncio.sleep(0.05)


async def settle(app: Dashboard) -> None:
    """Wait until nothing is being loaded."""
    await asyncio.sleep(0.5)
    await until(lambda: all(worker.is_finished for worker in app.workers))
    await asyncio.sleep(0.5)


def save(svg: str, target: Path) -> None:
    """Write a screenshot as PNG, in a font that is here."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", FONT)
    picture = Image.open(io.BytesIO(vl_convert.svg_to_png(svg, scale=SCALE)))
    picture.convert("RGB").quantize(COLOURS).save(target, optimize=True)
    tell(f"Wrote {target}")


if __name__ == "__main__":
    main()
