"""The contract: what a line is, and how events are chained."""

import hashlib
import json
from dataclasses import FrozenInstanceError, fields

import pytest

from rotator.audit import Event, EventName, Phase, Result, canonical, digest, link
from rotator.record import Head


def test_a_line_is_one_line_of_sorted_json_without_white_space_or_empty_fields(make_event):
    line = make_event(1, reason="ä \n \"'", run="", rotation=None, attempt=0).line()
    assert "\n" not in line
    document = json.loads(line)
    assert list(document) == sorted(document)
    assert "run" not in document
    assert "rotation" not in document
    assert document["attempt"] == 0
    assert document["reason"] == "ä \n \"'"
    assert canonical(document) == line


def test_the_hash_is_sha_256_over_everything_but_itself(make_event):
    (event,), head = link([make_event(1)], None)
    bare = {name: value for name, value in json.loads(event.line()).items() if name != "hash"}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert event.hash == hashlib.sha256(text.encode()).hexdigest() == digest(event.document()) == head.hash


def test_events_are_linked_on_to_a_head_and_without_events_it_stays(make_event):
    first, head = link([make_event(1), make_event(2)], None)
    assert [(each.seq, each.prev) for each in first] == [(1, ""), (2, first[0].hash)]
    then, last = link([make_event(3)], head)
    assert (then[0].seq, then[0].prev, last) == (3, first[1].hash, Head(3, then[0].hash))
    assert link([], head) == ([], head)
    assert link([], None) == ([], None)


@pytest.mark.parametrize("name", [each.name for each in fields(Event) if each.name not in ("hash", "v")])
def test_every_field_is_under_the_hash(make_event, name):
    from dataclasses import replace

    event = make_event(1)
    other = {"seq": 9, "attempt": 9, "duration_ms": 9, "event": EventName.HELD, "phase": Phase.RECORD, "outcome": Result.UNKNOWN}.get(
        name, "other"
    )
    assert digest(event.document()) != digest(replace(event, **{name: other}).document())


def test_an_event_is_frozen(make_event):
    with pytest.raises(FrozenInstanceError):
        make_event(1).reason = "another"
