"""Tests of the pipeline, and the models that they compare it with."""
