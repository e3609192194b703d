"""The tests of reading order logs, a file a module."""
