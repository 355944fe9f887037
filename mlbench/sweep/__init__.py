"""Sweeps: grids of runs, done by processes of this machine or by Slurm, skipping what is done."""
