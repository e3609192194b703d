"""The tests of what the assets talk to, when it fails: what is tried again, and what is said."""
