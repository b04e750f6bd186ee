"""The documents' tables of metrics are those of the program: `BENCH_WRITE_DOCS=1 pytest` of this file renews them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from benchmarks.metrics import METRICS

DOCS = Path(__file__).resolve().parents[2] / "docs"
_BETWEEN = re.compile(r"(?<=<!-- metrics, written by a test -->\n).*?(?=<!-- end of metrics -->)", re.DOTALL)


def meanings() -> str:
    rows = [f"| `{metric.name}` | {metric.unit} | {metric.meaning} |\n" for metric in METRICS]
    return "".join(["| metric | unit | |\n|---|---|---|\n", *rows])


def shapes() -> str:
    rows = [
        f"| `{metric.name}` | {' '.join(f'`{stat}`' for stat in metric.stats)} | "
        f"{', '.join(f'`{tag}`' for tag in metric.tags)} |\n"
        for metric in METRICS
    ]
    return "".join(["| name | stats | tags |\n|---|---|---|\n", *rows])


@pytest.mark.parametrize(("page", "table"), [("measurement.md", meanings()), ("scenarios.md", shapes())])
def test_the_table_of_metrics_is_that_of_the_program(page: str, table: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    renewed = _BETWEEN.sub(lambda _: table, text)
    if os.environ.get("BENCH_WRITE_DOCS"):
        (DOCS / page).write_text(renewed, encoding="utf-8")
    else:
        assert table in text
