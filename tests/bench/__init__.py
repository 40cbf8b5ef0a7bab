"""Benchmarks: `make bench` prints what it measured, as ratios inside one run where the machine matters.

Nothing here asserts a time: these machines are noisy. docs/benchmarks.md keeps one run.
"""
