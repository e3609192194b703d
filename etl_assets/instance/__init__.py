"""Dagster's instance: its storage, launchers and logs, and running a job from the command line.

This package has what depends on Dagster's instance or on its private names. Assets and sensors are
in `defs/`. The idea: code that a new version of Dagster can break is in one place.
"""
