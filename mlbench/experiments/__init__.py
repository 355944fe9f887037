"""The paper's experiments: what it printed, as data."""
