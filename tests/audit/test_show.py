"""Events in words and as lines."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from rotator.audit import Event, EventName, Phase, Result, Row, link
from rotator.errors import Exit
from rotator.ledgers.show import UNREADABLE, Filter, export, rows_of, sentence, show, words
from rotator.ledgers.verify import verify

INTENT = {"phase": Phase.INTENT, "outcome": None, "credential": "orders_b", "target": "postgres db1:5432", "run": None}


@pytest.mark.parametrize(
    ("about", "says"),
    [
        (INTENT, "12:03:11 orders-db APPLY intent orders_b on db1:5432"),
        ({**INTENT, "effect": "set secret"}, "12:03:11 orders-db APPLY intent (set secret) orders_b on db1:5432"),
        ({"duration_ms": 0, "principal": "a,b"}, "12:03:11 orders-db APPLY success a,b after 0 ms"),
        ({"step": "PUBLISH", "place": "billing-env"}, "12:03:11 orders-db PUBLISH success in billing-env"),
        (
            {"outcome": Result.UNKNOWN, "error_type": "Unreachable", "error_message": "db1: no answer", "error_code": "08006"},
            "12:03:11 orders-db APPLY unknown: Unreachable (08006): db1: no answer",
        ),
        (
            {"outcome": Result.FAILURE, "reason": "refused", "error_message": "it was gone back already"},
            "12:03:11 orders-db APPLY failure: refused: it was gone back already",
        ),
        ({"outcome": Result.FAILURE, "error_type": "Denied"}, "12:03:11 orders-db APPLY failure: Denied"),
        ({"step": None, "event": EventName.RUN_END, "phase": None, "reason": "rest"}, "12:03:11 orders-db run.end success: rest"),
        (
            {"step": None, "event": EventName.SECRET_READ, "phase": None, "outcome": None, "spec": None, "chain": "ledger"},
            "12:03:11 ledger secret.read",
        ),
        ({"phase": Phase.RECORD, "step": "CLAIM"}, "12:03:11 orders-db CLAIM success"),
    ],
)
def test_an_event_is_one_sentence(make_event, about, says):
    assert sentence(make_event(1, **{"ts": "2026-11-24T12:03:11.204+00:00", **about})) == says


def test_a_sentence_can_have_its_day_and_times_are_utc(make_event):
    assert sentence(make_event(1, ts="2026-11-24T00:03:11.204+02:00"), dated=True).startswith("2026-11-23 22:03:11Z orders-db")


def test_what_is_read_later_says_who_did_it_and_a_log_of_the_run_itself_does_not(make_event):
    event = make_event(1, actor="root@vm", trigger="manual", reason="why")
    assert sentence(event, dated=True).endswith(" by root@vm (manual): why")
    assert "root" not in sentence(event)
    assert sentence(make_event(1, actor="root@vm"), dated=True).endswith(" by root@vm")


@pytest.mark.parametrize("ts", [None, 7, "yesterday", "2026-11-24T12:03:11", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_cannot_be_read_hides_no_event(ts):
    document = {"ts": ts, "event": "step", "spec": "a"}
    assert words(document).startswith("(no time) a")
    assert Filter(since=datetime.now(UTC)).matches(document)


def test_what_is_not_printable_is_shown_escaped(make_event):
    line = sentence(make_event(1, reason="a\x1b[2Jb\nc\u202ed"))
    assert line.isprintable()
    assert r"a\x1b[2Jb\nc\u202ed" in line


@pytest.fixture
def rows(make_event, make_rows):
    events = [
        make_event(1, spec="a", run="r1", rotation="v1"),
        make_event(61, spec="b", run="r2", rotation="v1"),
        make_event(121, spec="a", run="r3"),
    ]
    return make_rows(link(events, None)[0])


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ({}, [1, 2, 3]),
        ({"spec": "a"}, [1, 3]),
        ({"rotation": "v1"}, [1, 2]),
        ({"run": "r2"}, [2]),
        ({"spec": "a", "rotation": "v1"}, [1]),
        ({"since": datetime(2026, 11, 24, 12, 1, 1, tzinfo=UTC)}, [2, 3]),
        ({"since": datetime(2026, 11, 24, 14, 2, 1, tzinfo=timezone(timedelta(hours=2)))}, [3]),
    ],
)
def test_filters_are_met_together(rows, wanted, meant):
    lines = {row.line: row.row for row in rows}
    assert [lines[line] for line in export(rows, Filter(**wanted))] == meant
    assert len(list(show(rows, Filter(**wanted)))) == len(meant)


def test_a_row_that_is_no_event_is_always_shown_and_exported_as_one_line(rows):
    broken = [*rows, Row(4, "x", "not\njson"), Row(5, "x", "{}\n")]
    assert list(show(broken, Filter(spec="nobody"))) == ["row 4 is no event: its line is no JSON object"]
    *_, first, second = export(broken, Filter())
    assert first == f'{{"{UNREADABLE}": "not\\njson"}}'
    assert "\n" not in second


def test_an_export_is_read_back_line_by_line_and_proven(rows, make_event):
    _, head = link([make_event(1, spec="a", run="r1", rotation="v1")], None)
    lines = [f"{each}\r\n" for each in export(rows, Filter())]
    back = list(rows_of([*lines, "\n", '{"level":"info","event":"a log line"}\n']))
    assert [(each.row, each.line) for each in back] == [(each.row, each.line) for each in rows]
    assert verify(back, {"local:orders/db": head}).exit is Exit.DONE


def test_a_line_that_is_no_event_stays_a_row_of_no_chain():
    assert [(each.row, each.chain) for each in rows_of(["x", '{"chain": 7, "level": "x"}', "{}"])] == [(1, ""), (2, ""), (3, "")]


def test_events_have_no_place_for_what_is_not_allowed():
    with pytest.raises(TypeError):
        Event(ts="x", event=EventName.STEP, chain="a", secret="x")


def test_the_last_outcome_of_each_spec_is_its_newest_end(tmp_path):
    from rotator.audit import Event, EventName, link
    from rotator.ledgers.commands import Ended, last_ends
    from rotator.ledgers.sqlite import open_ledger

    folder = tmp_path / "ledger"
    folder.mkdir(0o700)
    url = f"sqlite:///{folder}/l.db"
    ledger = open_ledger(url)
    made = [
        Event(ts="2026-11-24T10:00:00.000+00:00", event=EventName.RUN_END, chain="c", spec="a", reason="grace"),
        Event(ts="2026-11-24T11:00:00.000+00:00", event=EventName.RUN_END, chain="c", spec="a", reason="at rest"),
        Event(ts="2026-11-24T11:00:00.000+00:00", event=EventName.STEP, chain="c", spec="a", step="RELEASE"),
        Event(ts="2026-11-24T09:00:00.000+00:00", event=EventName.CHECK_FAILED, chain="c", spec="b", reason="adopt"),
    ]
    ledger.append(link(made, None)[0])
    ledger.close()
    assert {spec: ends[0] for spec, ends in last_ends(url).items()} == {
        "a": Ended("2026-11-24T11:00:00Z", "at rest", well=True),
        "b": Ended("2026-11-24T09:00:00Z", "adopt", well=True),
    }
