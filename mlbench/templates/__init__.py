"""What ``mlbench new`` writes: plugins that work, with names that it replaces."""
