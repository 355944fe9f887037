"""The package of all data sets: one module per file, from every plugin folder."""

from mlbench.plugins import plugin_folders

__path__ = list(map(str, plugin_folders("datasets")))
