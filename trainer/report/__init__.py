"""The paper's tables for runs, beside the paper's own numbers, as a page, Markdown and CSV."""

from trainer.report.reading import read_run
from trainer.report.writing import write_report

__all__ = ["read_run", "write_report"]
