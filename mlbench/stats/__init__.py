"""Statistics: pure functions of numbers and frames, which know no database and no terminal."""
