"""``python -m mlbench``."""

from mlbench.cli import main

main(prog_name="mlbench")
