"""Benchmarks: ratios of times measured side by side in one run.

Absolute times mean nothing on a shared machine. `make bench` and `make bench-big` run them.
"""
