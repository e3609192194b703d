"""Leaving the old pipeline: its database, adopting its days, comparing its figures.

All code that knows the old tables belongs here. The rest of the pipeline does not need this
package. The idea: an adopted day is staged and loaded like any other day, and a load from the
source always replaces it.
"""
