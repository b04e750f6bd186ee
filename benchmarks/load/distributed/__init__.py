"""One load made by several hosts: a master deals the schedule out, workers elsewhere send, their rows come back."""
