"""Leaving the old pipeline: its database, adopting its days, comparing its figures.

Here belongs all that knows the old tables. The rest of the pipeline does not need this package. The
idea: an adopted day is staged and loaded like any other, and the source always wins over it.
"""
