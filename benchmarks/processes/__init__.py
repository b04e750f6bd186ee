"""The processes of a run: started, spoken to, watched and ended by the harness, on loopback only."""
