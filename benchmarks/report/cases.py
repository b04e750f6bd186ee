"""Which registrations did not end well, and what happened to each: the first few of each kind, in one line each."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmarks.charts.run_data import RunData
from benchmarks.report.pages import Page
from benchmarks.words.numbers import milliseconds

SHOWN = 5  # of each kind and variant; `registrations.parquet` has them all
_KINDS = ("lost", "stranded", "duplicated", "unexpected", "pending", "dead_lettered")
_ANSWERS = {"acked": "accepted", "failed": "told no", "refused": "refused"}


def cases(data: RunData) -> Page | None:
    """One row for each case, whatever kinds it is of; None where every registration ended well."""
    shown = pd.concat(
        [data.first_that_ended(variant, kind, SHOWN) for variant in data.variants for kind in _KINDS]
    ).drop_duplicates(["trial", "index"])
    which = shown["trial"].tolist(), shown["index"].tolist()
    history, effects = data.rows_of("history", *which), data.rows_of("effects", *which)
    rows = []
    for registration in shown.to_dict("records"):
        trial, index = int(registration["trial"]), int(registration["index"])
        arrival = history[(history["trial"] == trial) & (history["index"] == index)].iloc[0]
        mine = effects[(effects["trial"] == trial) & (effects["index"] == index)]
        kinds = ", ".join(kind.replace("_", "-") for kind in _KINDS if registration[kind])
        told = "; ".join(_told(data, arrival, mine, str(registration["missing_pending"]).split(",")))
        rows.append((str(registration["variant"]), kinds, str(trial), str(registration["registration_id"]), told))
    headings = ("variant", "ended as", "trial", "registration", "what happened")
    return Page(headings, tuple(rows), (False, False, True, False, False)) if rows else None


def _told(data: RunData, arrival: pd.Series, attempts: pd.DataFrame, waiting: list[str]) -> Iterator[str]:
    yield f"due at {_at(arrival['intended_ns'])}, {_answer(arrival)}"
    if pd.isna(arrival["stored_ns"]):
        yield "user not stored"
    for service in data.services:
        yield f"{service} {_work(attempts[attempts['service'] == service], pending=service in waiting)}"


def _answer(arrival: pd.Series) -> str:
    if pd.isna(arrival["outcome"]):
        return "outcome unknown"
    if arrival["outcome"] == "dropped":
        return "never sent"
    if pd.isna(arrival["answered_ns"]):
        return "no answer" if arrival["outcome"] == "indeterminate" else "not connected"
    status = f" ({int(arrival['status'])})" if arrival["outcome"] != "acked" and pd.notna(arrival["status"]) else ""
    took_ms = (int(arrival["answered_ns"]) - int(arrival["intended_ns"])) / 1e6
    return f"{_ANSWERS.get(str(arrival['outcome']), 'cut off')}{status} after {milliseconds(took_ms)}"


def _work(attempts: pd.DataFrame, *, pending: bool) -> str:
    """What one service did: when it was done, or how far it got."""
    done = attempts["applied_ns"].dropna()
    failed = int(attempts["failed"].sum())
    if len(done):
        return f"done at {' and '.join(_at(time) for time in done)}"
    left = ", its message still in the log" if pending else ""
    if failed:
        return f"failed{f' {failed} times' if failed > 1 else ''}{left}"
    if len(attempts):
        return f"received at {_at(attempts['received_ns'].iloc[-1])} and not done{left}"
    return f"never reached{left}"


def _at(time_ns: int) -> str:
    return f"{int(time_ns) / 1e9:.3f}\u00a0s"
