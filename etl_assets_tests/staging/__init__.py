"""The tests of reading order logs, a concern a module."""
