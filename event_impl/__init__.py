"""The event side: the API publishes `user-registered` once, and each service consumes it in its own time."""
