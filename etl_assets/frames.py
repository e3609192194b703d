"""Imports Polars so that Ctrl-C still interrupts waiting calls.

On import, Polars installs a handler for SIGINT with SA_RESTART. After that Ctrl-C interrupts no
wait for a child process or a thread, and no read from a pipe. This module undoes that, so all code
imports Polars from here.
"""

import signal

import polars as pl

__all__ = ["pl"]

signal.siginterrupt(signal.SIGINT, True)
