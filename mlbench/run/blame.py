"""What goes wrong inside a plugin is told as the plugin's, in one line."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mlbench.errors import MlbenchError, PluginError


@contextmanager
def blaming(plugin: type, what: str) -> Iterator[None]:
    """Turn exceptions of a plugin's code into a :class:`PluginError` that names its file.

    Args:
        plugin: The class whose code is called.
        what: What it cannot do, as in "cannot be opened".
    """
    try:
        yield
    except MlbenchError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise PluginError(out_of_memory(plugin, error)) from error
    except (Exception, SystemExit) as error:
        if "can't allocate memory" in str(error):  # the CPU allocator raises a RuntimeError
            raise PluginError(out_of_memory(plugin, error)) from error
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        raise PluginError(
            f"{plugin.__name__} of {inspect.getfile(plugin)} {what}: {reason};"
            " mend the plugin and run again"
        ) from error


def out_of_memory(plugin: type, error: BaseException) -> str:
    """Return what to say when memory ran out."""
    reason = (str(error).strip().splitlines() or ["no memory"])[0]
    return (
        f"{plugin.__name__} ran out of memory ({reason});"
        " lower --queries, --shots, meta_batch or the number of --seeds, or use a machine with more"
    )
