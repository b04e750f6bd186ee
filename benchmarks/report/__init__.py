"""The report: one HTML page that holds a run, and needs no network."""

from benchmarks.report.report import write_report

__all__ = ["write_report"]
