"""The ways a call can go: the port, and HTTP."""
