"""The tests of the mart: what it holds after days were loaded, loaded again or taken back."""
