"""The report: one HTML page that holds a run, with no need of a network."""

from benchmarks.report.report import write_report

__all__ = ["write_report"]
