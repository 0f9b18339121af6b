"""`report.html`: the page that shows a person whether a version is right."""

from pipeline.report.facts import ReportFacts
from pipeline.report.page import report_html

__all__ = ["ReportFacts", "report_html"]
