"""What the verbs of the command line do and print, and the view of a run while it goes on."""
