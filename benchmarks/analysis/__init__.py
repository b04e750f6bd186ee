"""From raw traces to the summary: history, categories, metrics, validity, statistics. All of it pure."""
