"""What made each run: what all have in common, and what sets each apart."""

from collections.abc import Iterator, Mapping, Sequence

from trainer.report import paper
from trainer.report.comparison import Comparison
from trainer.report.section import Bullets, Section, Text
from trainer.report.table import Column, Row, Table, Unit

_VALUE = (Column("Value", "value", Unit.TEXT),)


def made_by_section(comparison: Comparison) -> Section:
    """Returns config and environment of the runs."""
    text = "The whole of it is in each run's folder: config.json, environment.json, state.json."
    runs = comparison.runs
    whose = runs[0].name if len(runs) == 1 else "All runs"
    they = "it" if len(runs) == 1 else "they"
    configs = [run.facts.config for run in runs]
    environments = [run.facts.environment for run in runs]
    tables = [
        _table("config", f"{whose}: what decided the weights", _common(configs)),
        _table("environment", f"{whose}: what {they} ran on", _common(environments)),
    ]
    for run, config, environment in zip(runs, _own(configs), _own(environments), strict=True):
        own = {**config, **{f"ran on: {key}": value for key, value in environment.items()}}
        if own:
            tables.append(_table(f"run-{run.key}", f"{run.name}: what is its own", own))
    shown = tuple(table for table in tables if table.rows)
    return Section("runs", "What made the runs", "Runs", (Text(text), *shown))


def paper_section() -> Section:
    """Returns what to know of the paper's numbers."""
    text = f"{paper.CITATION}. 486,000 micrographs, 204,801 test records, which nobody else has."
    blocks = (Text(text), Bullets(paper.REMARKS))
    return Section("paper", "About the paper's numbers", "The paper", blocks)


def _common(made: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first = made[0]
    return {key: first[key] for key in first if all(of.get(key) == first[key] for of in made)}


def _own(made: Sequence[Mapping[str, str]]) -> Iterator[dict[str, str]]:
    common = _common(made)
    for of in made:
        yield {key: value for key, value in of.items() if key not in common}


def _table(key: str, caption: str, fields: Mapping[str, str]) -> Table:
    rows = tuple(Row(field, (value,)) for field, value in fields.items())
    return Table(key, caption, "Field", _VALUE, rows)
