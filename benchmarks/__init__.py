"""Speed and memory, measured on purpose and never in a timed test."""
