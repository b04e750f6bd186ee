"""What a scenario file is made of, below its structure: units, distributions, checked types, sentences on errors."""
