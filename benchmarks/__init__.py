"""The harness: scenario, plan, processes, load, history, checks, analysis, charts and report."""
