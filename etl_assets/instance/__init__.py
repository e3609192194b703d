"""Dagster's own side: its storage, launchers and logs, and running a job from the command line.

Here belongs what depends on Dagster's instance or on its private names. Assets and sensors do not.
The idea: what breaks with a new version of Dagster is in one place.
"""
