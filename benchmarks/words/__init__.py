"""How results are put into words: figures, sentences and the table of the sides, for terminal, charts and report."""
