"""The tests of the source: which report there is, and which object of it holds a day."""
