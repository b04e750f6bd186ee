"""The report: one file, nothing from the network, nothing unescaped, and both times of each side."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from xml.dom import minidom

import pandas as pd
import pytest
from stored import NO_QUESTION, every_ending, stored_run, summary_with

from benchmarks.charts import CHARTS, draw_all
from benchmarks.report import write_report
from benchmarks.report.cases import SHOWN
from benchmarks.report.claims import CLAIMS
from benchmarks.report.first_charts import first_charts
from benchmarks.scenario.model import Scenario
from registration import luck

NASTY = "<script>alert(1)</script> & \"quotes\" 'n' {{ 7*7 }} --> 登録"


class Page(HTMLParser):
    """What a reader of the file needs to know of it."""

    VOID = frozenset({"meta", "link", "br", "img", "hr", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids[value or ""] += 1
            if name in ("src", "href", "xlink:href", "srcset", "data", "action") and value:
                self.addresses.append(value)
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open, f"closed but not open: {tag}"
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("style", "script"):
            self.text += data


def put_charts(out: Path) -> None:
    """Something in the place of each chart, for the tests that look at the words."""
    (out / "charts").mkdir(exist_ok=True)
    for chart in CHARTS:
        (out / "charts" / f"{chart.name}.svg").write_text(f'<?xml version="1.0"?><svg id="{chart.name}"></svg>')


def written(out: Path, *, drawn: bool = False, **changes: object) -> tuple[str, Page]:
    stored_run(out, **changes)  # type: ignore[arg-type]
    (draw_all if drawn else put_charts)(out)
    html = write_report(out).read_text(encoding="utf-8")
    return html, Page(html)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page]:
    return written(tmp_path_factory.mktemp("run"), drawn=True, predicted=True)


def words(page: Page) -> str:
    return re.sub(r"\s+", " ", page.text.replace("\u00a0", " "))


def test_it_asks_nothing_of_the_network(report: tuple[str, Page]) -> None:
    html, page = report
    assert all(address.startswith("#") for address in page.addresses)
    assert page.tags["script"] == page.tags["link"] == page.tags["img"] == 0
    assert "@import" not in html
    assert re.findall(r"url\((?!#)", html) == []
    assert "default-src 'none'" in html


def test_every_chart_is_in_it_with_ids_of_its_own(report: tuple[str, Page]) -> None:
    _, page = report
    assert page.tags["svg"] == len(CHARTS)
    assert [id_ for id_, times in page.ids.items() if times > 1] == []
    for chart in CHARTS:
        assert chart.how_to_read in words(page)


def test_the_verdict_comes_first(report: tuple[str, Page]) -> None:
    text = words(report[1])
    assert text.index("Confirmed: the share accepted and complete within the SLO during the fault") < text.index(
        "Claim"
    )


def test_after_the_verdict_come_its_worth_two_charts_ten_rows_and_the_endings(report: tuple[str, Page]) -> None:
    html, _ = report
    order = [
        "As predicted: ",
        "What speaks for sync",
        "<svg ",
        "The figures that matter",
        "Where each registration ended",
    ]
    places = [html.index(text) for text in (*order, "The question")]
    assert places == sorted(places)
    assert html.count("<svg ", 0, places[3]) == 2


def test_the_charts_that_show_the_verdict_come_first() -> None:
    def first(metric: str, drawn: Sequence[str]) -> tuple[str, ...]:
        part = {"metric": metric, "variant": "events", "expect": "< 1"}
        return first_charts(summary_with(variants={}, comparison=part), drawn)

    names = [chart.name for chart in CHARTS]
    assert first("registrations.lost", names) == ("where_each_ended", "outcomes_over_time")
    assert first("accept_latency_ms.p50", names)[0] == "accept_latency_over_time"
    assert first("drain_s", ["accept_latency_over_time"]) == ("accept_latency_over_time",)
    assert len(first_charts(summary_with(), names)) == 2


def test_warnings_are_one_line_that_opens(tmp_path: Path) -> None:
    html, page = written(
        tmp_path,
        variants=["sync", {"name": "wide", "base": "sync", "options": {"timeout": "1s"}}],
        blocks=1,
        **NO_QUESTION,
    )
    assert "1 warning " in words(page)
    assert html.index('<details class="warnings">') < html.index("wide is sync with")
    assert "wide is sync with" not in re.sub(r"<details.*?</details>", "", html, flags=re.DOTALL)


def test_both_times_stand_beside_each_other(report: tuple[str, Page]) -> None:
    text = words(report[1])
    assert text.index("accept p50 834 ms") < text.index("completion p50 833 ms")


def test_it_says_what_the_parameters_alone_predict(report: tuple[str, Page]) -> None:
    text = words(report[1])
    assert "sync, predicted sync, measured events, predicted events, measured" in text


def test_it_says_what_was_measured_beyond_the_prediction(report: tuple[str, Page]) -> None:
    text = words(report[1])
    beyond = text[text.index("Measured minus predicted") :]
    assert "the work of email, analytics and cache, p50 each" in beyond
    assert "accepted in one only complete in one only on a fault’s edge sync" in beyond


def test_it_says_what_is_not_predicted_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virtual.predict.MOST_ARRIVALS_OF_A_TRIAL", 239)
    text = words(written(tmp_path, predicted=True, blocks=1, **NO_QUESTION)[1])
    for variant in ("sync", "events"):
        assert f"{variant}: not predicted: too many arrivals: 240 a trial, 239 at most." in text
    assert "predicted sync, measured" not in text


def test_it_says_what_the_parameters_leave_open(tmp_path: Path) -> None:
    restart = {"target": "email", "type": "restart", "at": "6s", "variants": ["sync"]}
    text = words(written(tmp_path, predicted=True, faults=[restart], blocks=1, **NO_QUESTION)[1])
    assert text.count("A process that is restarted is ready at once here") == 1
    assert "sync, predicted sync, measured events, predicted" in text


def test_it_says_what_it_cannot_show(report: tuple[str, Page]) -> None:
    text = words(report[1])
    for limit in ("not for a loss of power", "static members", "aiohttp transport", "Ratios carry over"):
        assert limit in text


def test_it_says_how_to_do_it_again(report: tuple[str, Page]) -> None:
    text = words(report[1])
    assert "bench run slow-downstream" in text
    assert "name: slow-downstream" in text
    assert "heap" in text


def test_what_a_scenario_says_stays_text(tmp_path: Path) -> None:
    html, page = written(tmp_path, title=NASTY, description=NASTY, problems=[NASTY[:-3]], blocks=1, **NO_QUESTION)
    assert page.tags["script"] == 0
    assert "<script>" not in html
    assert NASTY in page.text
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", html)[0]


LOG_TAIL = """email/0 ended by itself (exit code 1)
  </pre></style><img src=x onerror="alert(1)"> ]]> <![CDATA[ &amp; &#60;script&#62;
  javascript:alert('1')"""


def test_the_end_of_a_log_and_the_command_as_typed_stay_text(tmp_path: Path) -> None:
    stored_run(tmp_path, problems=[LOG_TAIL], tags=[NASTY], blocks=1, **NO_QUESTION)
    put_charts(tmp_path)
    run = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**run, "command": f"bench run '{NASTY}'", "version": NASTY}))
    environment = json.loads((tmp_path / "environment.json").read_text())
    (tmp_path / "environment.json").write_text(json.dumps({**environment, NASTY: [NASTY], "cpu": NASTY}))
    html = write_report(tmp_path).read_text(encoding="utf-8")
    page = Page(html)
    assert page.tags["script"] == page.tags["img"] == 0
    assert "<script" not in html
    assert page.attributes.isdisjoint({"onerror", "onload"})
    assert all(line.strip() in words(page) for line in LOG_TAIL.splitlines())
    assert page.text.count(NASTY) >= 4


def test_what_a_scenario_says_stays_text_inside_the_drawings(tmp_path: Path) -> None:
    title = NASTY.replace("登録", "") + ' ]]> <![CDATA[ <!-- " onload="alert(1) </title></svg>'
    _, page = written(tmp_path, drawn=True, title=title, problems=[title], blocks=1, **NO_QUESTION)
    assert page.tags["script"] == 0
    assert page.tags["svg"] == len(CHARTS)
    assert "onload" not in page.attributes
    for chart in (tmp_path / "charts").glob("*.svg"):
        minidom.parse(str(chart))  # well-formed, or it raises


def test_a_run_that_is_not_valid_is_shown_and_decides_nothing(tmp_path: Path) -> None:
    reason = "interrupted after 5 of 6 trials"
    _, page = written(tmp_path, problems=[reason])
    text = words(page)
    assert "This run is not valid" in text
    assert f"No verdict: the run is not valid ({reason})." in text
    assert "(better)" not in text


def test_a_hypothesis_of_several_parts_has_one_headline_and_a_line_for_each_figure(tmp_path: Path) -> None:
    asked = {"metric": "slo_ratio{window:during}", "difference": "events-sync"}
    _, page = written(tmp_path, hypothesis={"all": [{**asked, "expect": expect} for expect in ("> 0.5", "> 0.9")]})
    assert "Confirmed, both parts." in words(page)
    assert words(page).count("expected > 50 points and > 90 points.") == 1


def test_losses_and_what_zero_leaves_possible_are_counted(tmp_path: Path) -> None:
    _, page = written(tmp_path, change=every_ending, **NO_QUESTION)
    text = words(page)
    assert re.search(r"lost accepted, an effect missing 0 \(< 0\.42 %\) 15", text)
    assert "survivorship: not comparable" in text


def test_registrations_that_ended_badly_are_named_with_what_happened(tmp_path: Path) -> None:
    _, page = written(tmp_path, change=every_ending, blocks=1, **NO_QUESTION)
    text = words(page)
    stranded = str(luck.registration_id(luck.block_seed(1, 0), 2))  # index 2 failed after email, on the direct side
    told = r"due at \d\.\d{3} s, told no \(\d+\) after [\d.]+ m?s; email done at \d\.\d{3} s; "
    assert re.search(
        rf"sync stranded, unexpected 1 {stranded} {told}analytics never reached; cache never reached", text
    )
    lost = str(luck.registration_id(luck.block_seed(1, 0), 0))
    assert re.search(rf"events lost 2 {lost} due at .* accepted after .*; cache never reached", text)
    named = re.findall(r"sync [a-z, ]+ 1 ([0-9a-f-]{36})", text)
    assert len(named) == len(set(named)), "who is of two kinds is named once"
    assert SHOWN <= len(named) <= 2 * SHOWN


def test_where_every_registration_ended_well_none_is_named(tmp_path: Path) -> None:
    _, page = written(tmp_path, blocks=1, **NO_QUESTION)
    assert "what happened to each" not in words(page)


def test_a_restart_has_one_time_and_says_when_the_process_was_back(tmp_path: Path) -> None:
    stored_run(tmp_path, faults=[{"target": "email", "type": "restart", "at": "6s"}], blocks=1, **NO_QUESTION)
    put_charts(tmp_path)
    faults = pd.read_parquet(tmp_path / "faults.parquet").assign(ready_s=0.4321)
    faults.to_parquet(tmp_path / "faults.parquet", index=False)
    text = words(Page(write_report(tmp_path).read_text(encoding="utf-8")))
    assert re.search(r"restart-email email restart 6 s 6\.001 s 6\.001 s 0\.432 s", text)
    assert "email restarted" in text


def test_a_run_cut_short_has_a_report_too(tmp_path: Path) -> None:
    stored_run(tmp_path, blocks=1, **NO_QUESTION)
    put_charts(tmp_path)
    for name in ("environment.json", "run.json", "faults.parquet"):
        (tmp_path / name).unlink()
    assert write_report(tmp_path).is_file()


def test_the_same_results_give_the_same_report(tmp_path: Path) -> None:
    html, _ = written(tmp_path, blocks=1, **NO_QUESTION)
    put_charts(tmp_path)
    assert write_report(tmp_path).read_text(encoding="utf-8") == html


def test_every_claim_that_a_scenario_can_name_has_its_sentence() -> None:
    schema = json.dumps(Scenario.model_json_schema()["properties"]["claim"])
    assert all(json.dumps(claim) in schema for claim in CLAIMS)
    assert schema.count("-") == sum(claim.count("-") for claim in CLAIMS)
