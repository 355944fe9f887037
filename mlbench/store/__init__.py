"""Where runs are kept: journals that runs write, and the DuckDB file that people query.

A run appends to its journal (:mod:`.journal`) and never waits for the database. Whoever reads
takes in what waits (:mod:`.ingest`), then asks (:mod:`.queries`). The journals are the truth: a
database that is deleted is rebuilt from them.
"""
