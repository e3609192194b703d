"""The embedded servers and the simulator, tested on the real things."""
