"""The one-page report of a project: a single HTML file with its figures inside."""

from mdweights_core.report.page import write_report

__all__ = ["write_report"]
