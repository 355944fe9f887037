"""What is asked of all runs of a study besides results: data, machines, packages, commits, files.

The texts take ``$runs``, a list of names; whoever shows an answer can show its text beside.
"""

from __future__ import annotations

DATA = """
    SELECT dataset, fingerprint, incomplete,
           count(DISTINCT run_id) FILTER (role = 'train') AS trained,
           count(DISTINCT run_id) FILTER (role = 'eval') AS tested
    FROM data WHERE run_id IN (SELECT unnest($runs))
    GROUP BY ALL ORDER BY ALL
"""
"""Columns: dataset, fingerprint, incomplete: ``str``; trained, tested: ``i64``; runs."""

MACHINES = """
    SELECT host, os, cpu, cores, memory_bytes, gpu, device, threads, engine, allocator, python,
           count(DISTINCT run_id) AS runs
    FROM machines WHERE run_id IN (SELECT unnest($runs))
    GROUP BY ALL ORDER BY ALL
"""
"""Columns: those of ``machines``, and runs: ``i64``; runs of which an attempt was there."""

PACKAGES = """
    SELECT name, version, count(DISTINCT run_id) AS runs
    FROM packages WHERE run_id IN (SELECT unnest($runs))
    GROUP BY ALL ORDER BY ALL
"""
"""Columns: name, version: ``str``; runs: ``i64``."""

COMMITS = """
    SELECT git_commit, git_dirty, count(DISTINCT run_id) AS runs, min(started) AS first
    FROM attempts WHERE run_id IN (SELECT unnest($runs))
    GROUP BY git_commit, git_dirty ORDER BY first, git_commit, git_dirty
"""
"""Columns: git_commit: ``str``; git_dirty: ``bool``; runs: ``i64``; first: the time."""

ATTEMPTS = """
    SELECT run_id, attempt, a.command, a.git_commit, a.git_dirty,
           m.host, m.cpu, m.gpu, m.device, m.threads, m.engine, m.stacked, m.compiled, m.python
    FROM attempts AS a JOIN machines AS m USING (run_id, attempt)
    WHERE run_id IN (SELECT unnest($runs))
    ORDER BY run_id, attempt
"""
"""Columns: of ``attempts`` and ``machines``; a row per attempt."""

PLUGIN_FILES = """
    SELECT DISTINCT run_id, path, sha256
    FROM plugin_files WHERE run_id IN (SELECT unnest($runs))
    ORDER BY ALL
"""
"""Columns: run_id, path, sha256: ``str``."""
