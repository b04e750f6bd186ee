"""One load made by several hosts: a master deals out the schedule, workers elsewhere send, their rows come back."""
