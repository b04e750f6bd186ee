"""The trace: what was recorded can be read, also after a crash."""

from pathlib import Path

import numpy as np
import pytest

from registration import luck, trace
from registration.trace import RECORD_FIELDS, RecordKind, Trace

FIRST, SECOND = luck.registration_id(1, 0), luck.registration_id(1, 1)
RECORD_BYTES = 40


class Clock:
    def __init__(self) -> None:
        self.t_ns = 1_000

    def __call__(self) -> int:
        self.t_ns += 1
        return self.t_ns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "email-0.trace"


def written(path: Path) -> Trace:
    trace_ = Trace(path, {"process": "email/0", "role": "service"}, Clock())
    trace_.record(RecordKind.RECEIVED, FIRST, delivery=1)
    trace_.record(RecordKind.FAILED, FIRST, delivery=1, attempt=2, status=503)
    trace_.record(RecordKind.APPLIED, SECOND, delivery=2, attempt=65_535)
    return trace_


def test_records_come_back_as_they_were_written(path: Path) -> None:
    written(path).close()
    header, records = trace.read(path)
    assert header == {"process": "email/0", "role": "service"}
    assert records["t_ns"].tolist() == [1_001, 1_002, 1_003]
    assert records["kind"].tolist() == [RecordKind.RECEIVED, RecordKind.FAILED, RecordKind.APPLIED]
    assert [bytes(id_) for id_ in records["registration_id"]] == [FIRST.bytes, FIRST.bytes, SECOND.bytes]
    assert records["delivery"].tolist() == [1, 1, 2]
    assert records["attempt"].tolist() == [0, 2, 65_535]
    assert records["status"].tolist() == [0, 503, 0]


def test_a_record_is_in_the_file_before_the_call_returns(path: Path) -> None:
    trace_ = written(path)
    assert len(trace.read(path)[1]) == 3
    trace_.close()


def test_the_documented_layout_is_forty_bytes() -> None:
    assert np.dtype(RECORD_FIELDS).itemsize == RECORD_BYTES


@pytest.mark.parametrize("cut", [1, RECORD_BYTES - 1])
def test_a_record_cut_short_at_the_end_is_left_out(path: Path, cut: int) -> None:
    written(path).close()
    path.write_bytes(path.read_bytes()[:-cut])
    assert trace.read(path)[1]["kind"].tolist() == [RecordKind.RECEIVED, RecordKind.FAILED]


def test_a_header_cut_short_leaves_nothing_to_read(path: Path) -> None:
    path.write_bytes(b'{"process": "ema')
    header, records = trace.read(path)
    assert header == {}
    assert len(records) == 0


def test_an_empty_file_is_a_trace_without_header_or_records(path: Path) -> None:
    path.touch()
    header, records = trace.read(path)
    assert (header, len(records)) == ({}, 0)


def test_a_respawned_process_goes_on_in_the_same_file(path: Path) -> None:
    written(path).close()
    written(path).close()
    header, records = trace.read(path)
    assert header == {"process": "email/0", "role": "service"}
    assert len(records) == 6


@pytest.mark.parametrize("cut", [1, RECORD_BYTES - 1])
def test_a_respawned_process_first_takes_away_what_its_predecessor_left_half_written(path: Path, cut: int) -> None:
    written(path).close()
    path.write_bytes(path.read_bytes()[:-cut])
    written(path).close()
    kinds = trace.read(path)[1]["kind"].tolist()
    assert kinds == [RecordKind.RECEIVED, RecordKind.FAILED, RecordKind.RECEIVED, RecordKind.FAILED, RecordKind.APPLIED]


def test_a_respawned_process_writes_the_header_that_its_predecessor_could_not(path: Path) -> None:
    path.write_bytes(b'{"process": "ema')
    written(path).close()
    header, records = trace.read(path)
    assert header == {"process": "email/0", "role": "service"}
    assert len(records) == 3
