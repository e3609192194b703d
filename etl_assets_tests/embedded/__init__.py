"""Tests of the embedded servers and the simulator, with real processes."""
