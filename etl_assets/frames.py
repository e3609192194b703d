"""Polars, imported so that Ctrl-C goes on interrupting what waits.

Importing Polars handles SIGINT anew, with SA_RESTART: after that Ctrl-C interrupts neither the wait
for a child process, nor that for another thread, nor the reading of a pipe. Everything here imports
Polars from this module.
"""

import signal

import polars as pl

__all__ = ["pl"]

signal.siginterrupt(signal.SIGINT, True)
