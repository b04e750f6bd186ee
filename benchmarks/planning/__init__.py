"""The plan: what is settled before a run, and what the parameters alone predict of it. Pure."""
