"""The networks of update rules in machine code of this processor.

A rule that runs a network for every weight spends nearly all of its time in matrix products of 20
by 20, which libraries compute at a fraction of the processor's speed. ``networks.cpp`` does them
in cache (``python -m benchmarks.stacks turtle lstm`` measures both). It is compiled where a run
asks for it, in seconds, and not kept: what a process loads, it has made itself.
"""

from mlbench.native.library import build, in_use, use
from mlbench.native.networks import feed_forward, lstm_cell

__all__ = ["build", "feed_forward", "in_use", "lstm_cell", "use"]
