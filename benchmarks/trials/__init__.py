"""One trial: who plays in it, its phases in order, and the drain that ends it."""
