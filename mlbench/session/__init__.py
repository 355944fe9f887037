"""Sessions: a run with its journal, its checkpoints and its signals."""
