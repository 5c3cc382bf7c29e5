import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raise_hpo.journal import Journal, JournalError, decode, encode, read

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(st.text(), VALUES, max_size=4).map(
    lambda body: {"seq": 0, "event": "reported"} | body | {"seq": 0}
)


def written(path: Path, count: int) -> list[dict[str, object]]:
    events = [{"event": "reported", "trial": 0, "epoch": epoch} for epoch in range(count)]
    with Journal(path) as journal:
        journal.append(events)
    return events


@given(BODIES)
def test_a_line_round_trips(body: dict[str, object]) -> None:
    body.pop("crc", None)
    assert decode(encode(body)) == body


@given(BODIES, st.data())
def test_a_flipped_byte_is_seen(body: dict[str, object], data: st.DataObject) -> None:
    line = bytearray(encode(body))
    line[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert decode(bytes(line)) is None


@given(BODIES, st.data())
def test_a_torn_line_is_seen(body: dict[str, object], data: st.DataObject) -> None:
    line = encode(body)
    assert decode(line[: data.draw(st.integers(0, len(line) - 1))]) is None


def test_events_come_back_numbered(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    events = written(path, 3)
    assert read(path) == [{"seq": seq, **event} for seq, event in enumerate(events)]


def test_not_a_number_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append([{"event": "failed", "metrics": {"a": float("nan"), "b": [float("-inf")]}}])
    metrics = read(path)[0]["metrics"]
    assert str(float(metrics["a"])) == "nan"
    assert float(metrics["b"][0]) == float("-inf")


@pytest.mark.parametrize("torn", range(1, 30))
def test_a_torn_last_line_is_dropped_and_overwritten(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, 3)
    path.write_bytes(path.read_bytes()[:-torn])
    with Journal(path) as journal:
        journal.append([{"event": "resumed"}])
    assert [event["event"] for event in read(path)] == ["reported", "reported", "resumed"]
    assert [event["seq"] for event in read(path)] == [0, 1, 2]


def test_damage_in_the_middle_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, 4)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"epoch":2', b'"epoch":7')
    path.write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match="line 3 is damaged"):
        read(path)
    with pytest.raises(JournalError, match="line 3 is damaged"):
        Journal(path)


def test_a_missing_journal_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"journal\.jsonl cannot be read \(No such file"):
        read(tmp_path / "journal.jsonl")


def test_a_full_disk_is_said_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, 2)
    write = os.write

    def half(file: int, raw: bytes) -> int:
        if len(raw) < 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, raw[: len(raw) // 2])

    with Journal(path) as journal:
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(JournalError, match="No space left on device"):
            journal.append([{"event": "reported", "trial": 1, "epoch": 1}])
        monkeypatch.undo()
        journal.append([{"event": "resumed"}])
    assert [(event["seq"], event["event"]) for event in read(path)] == [
        (0, "reported"),
        (1, "reported"),
        (2, "resumed"),
    ]
