"""One run: what it is (spec), what it needs (setup), and the loop that yields its events."""
