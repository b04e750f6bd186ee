"""One trial: its processes, its phases in order, and the drain that ends it."""
