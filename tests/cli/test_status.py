"""`status` claims no more than was observed: what the last run saw counts until a later one ends otherwise."""

import json
import sqlite3
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from labs import at_rest, crash_at, due, rotated

from rotator.audit import Event, EventName, Result, link
from rotator.cli import main
from rotator.cli.last_run import trouble
from rotator.cli.status import describe
from rotator.errors import Exit
from rotator.ledgers.commands import Ended, last_ends
from rotator.ledgers.sqlite import open_ledger
from rotator.record import Lease
from rotator.testing.stands import World
from rotator.testing.stands.base import ADMIN_FILE, write_private
from rotator.testing.stands.postgres import InPlace

USER, NUMBERS = "pay", count()


@pytest.fixture(scope="module")
def stand():
    with InPlace() as started:
        yield started


@pytest.fixture
def world(stand, tmp_path):
    made = World(stand, tmp_path / "world", f"{USER}_{next(NUMBERS)}")
    made.adopt()
    return made


@pytest.fixture
def status(world, capsys):
    """Exit code and row of the only spec; or what is printed, with `words`."""

    def asked(*, words=False):
        capsys.readouterr()
        code = main(world.command(*([] if words else ["--json"]), "status", entry=()))
        out = capsys.readouterr().out
        return (code, out) if words else (code, json.loads(out)["specs"][0])

    return asked


def cut(world):
    """The place cannot be written."""
    world.env_file.unlink()
    world.env_file.mkdir()


# ---- a run that ended badly, at a real server


def test_who_is_cut_off_in_place_is_told_by_status(world, status):
    cut(world)
    assert world.run(forced=True).exit is Exit.FAILED
    code, row = status()
    assert (code, row["exit"], row["state"]) == (1, 1, "open place")
    assert row["seen"] == row["last"].split()[0]
    assert "run it again at once; why: `rotator dry-run it`; tried again after 2" in row["waits_for"]
    assert f"open place (seen {row['seen']})" in status(words=True)[1]


def test_a_back_off_after_that_hides_nothing_and_a_run_that_ends_well_ends_it(world, status):
    cut(world)
    world.run(forced=True)
    assert world.run(named=False).why == "not_before"
    code, row = status()
    assert (code, row["state"]) == (1, "open place")
    world.env_file.rmdir()
    assert world.run().exit is Exit.DONE
    code, row = status()
    assert (code, row["state"], row["seen"]) == (0, "at rest", None)


def test_a_password_changed_by_hand_waits_for_a_human_also_in_status(world, status, stand):
    stand.server.query(f"ALTER ROLE {world.one} PASSWORD 'a-human-chose-this-one'")
    assert world.run().why == "foreign_change"
    code, row = status()
    assert (code, row["state"]) == (4, "foreign_change")
    assert "rotator adopt it" in row["waits_for"]


def test_a_place_that_somebody_wrote_waits_for_a_human_also_in_status(world, status):
    world.overwrite()
    assert world.run().why == "foreign_change of place"
    code, row = status()
    assert (code, row["state"]) == (4, "foreign_change of place")
    assert "--overwrite PLACE" in row["waits_for"]


def test_an_overdue_slot_that_could_not_be_rotated_is_no_exit_0(world, status):
    write_private(world.folder / ADMIN_FILE, "a-wrong-password-of-the-admin")
    assert world.run(forced=True).exit is Exit.FAILED
    code, row = status()
    assert (code, row["state"]) == (1, "failed")
    assert "why: `rotator dry-run it`" in row["waits_for"]


def test_a_ledger_that_cannot_be_read_is_no_exit_0(world, status):
    ledger = world.folder / "var/ledger.db"
    ledger.write_bytes(b"no ledger at all" * 100)
    for each in ("-wal", "-shm"):
        ledger.with_name(f"ledger.db{each}").unlink(missing_ok=True)
    code, row = status()
    assert (code, row["last"]) == (1, None)


def test_a_ledger_that_is_not_there_is_told_where_a_record_stands(world, capsys):
    asked = world.command("status", entry=())
    assert (main(asked), capsys.readouterr().err) == (0, "")
    for each in (world.folder / "var").glob("ledger.db*"):
        each.unlink()
    assert main(asked) == 0
    assert capsys.readouterr().err.startswith(f"rotator: {world.folder}/var/ledger.db: the audit ledger is not there")
    assert not (world.folder / "var/ledger.db").exists()
    for each in (world.folder / "var/store").rglob("*.rec"):
        each.unlink()
    assert (main(asked), capsys.readouterr().err) == (4, "")


# ---- what the record alone says


@pytest.mark.parametrize(("shape", "previous"), [("in place", "app (replaced)"), ("alternating", "app_a (not revoked)")])
def test_of_the_old_one_no_more_is_said_than_what_was_done_to_it_and_an_open_place_is_named(shape, previous):
    lab = due(shape)
    lab.run(plan=crash_at("publish"))
    record = lab.record()
    row = describe(lab.spec, record, record.lease.until + 1, ended("-cut off"))
    assert row["previous"] == previous
    assert (row["state"], row["exit"]) == ("cut off", Exit.FAILED)
    assert "; local is not known to show the current one" in row["waits_for"]


@pytest.mark.parametrize(("prepare", "code"), [(due, Exit.FAILED), (at_rest, Exit.DONE)])
def test_a_back_off_of_which_the_ledger_says_nothing_is_no_exit_0_where_something_was_begun(prepare, code):
    lab = prepare("alternating")
    if prepare is due:
        lab.run(plan=crash_at("publish"))
    record = lab.record().but(lease=None, not_before=lab.seam.now() + 60)
    row = describe(lab.spec, record, lab.seam.now())
    assert (row["state"], row["exit"], row["seen"]) == ("not_before", code, None)
    assert row["waits_for"].startswith("tried again after ")


def test_a_run_that_goes_on_and_a_record_that_says_worse_are_not_hidden_by_what_a_run_saw():
    lab = rotated("alternating")
    seen, now = ended("-check"), lab.seam.now()
    moved = describe(lab.spec, lab.record().but(elsewhere="other:orders/db"), now, seen)
    assert (moved["state"], moved["exit"], moved["seen"]) == ("elsewhere", Exit.HUMAN, None)
    going = lab.record().but(lease=Lease("another", now + 60, "elsewhere"))
    assert describe(lab.spec, going, now)["exit"] is Exit.DONE
    assert describe(lab.spec, going, now)["state"] == "lease"
    aged = describe(replace(lab.spec, max_age=1.0), lab.record(), now + 86_400, ended("-open place"))
    assert (aged["state"], aged["exit"]) == ("open place, overdue", Exit.UNPROVEN)


@pytest.mark.parametrize(("shape", "word"), [("alternating", "--take-second"), ("overlapping", "--drop-second"), ("issue, two slots", "")])
def test_where_a_human_may_have_the_old_one_that_was_to_be_revoked_status_says_how_it_is_given_up(shape, word):
    lab = rotated(shape)
    record = lab.record()
    dying = record.but(previous=replace(record.previous, revoke_intent=lab.seam.now()))
    for each, said in ((dying, word), (record, "")):
        row = describe(lab.spec, each, lab.seam.now(), ended("-foreign_change"))
        assert (row["state"], row["exit"]) == ("foreign_change", Exit.HUMAN)
        assert (said in row["waits_for"], row["waits_for"].count("-second")) == (True, int(bool(said)))


# ---- which end counts


def ended(*whys):
    """Ends, newest first: those that begin with `-` went badly."""
    return [Ended(at=f"T{number}", why=why.removeprefix("-"), well=not why.startswith("-")) for number, why in enumerate(whys)]


@pytest.mark.parametrize(
    ("ends", "counts"),
    [
        ([], None),
        (["at rest", "-foreign_change"], None),
        (["-foreign_change", "at rest"], ("foreign_change", Exit.HUMAN, "T0")),
        (["-refused", "-lease", "-conflict", "stopped", "-foreign_change"], ("foreign_change", Exit.HUMAN, "T4")),
        (["not_before", "-failed"], ("failed", Exit.FAILED, "T1")),
        (["-not_before", "-open place"], ("open place", Exit.FAILED, "T1")),
        (["-not_before", "at rest"], ("not_before", Exit.FAILED, "T0")),
        (["not_before", "at rest"], None),
        (["-overdue", "-failed"], None),
        (["-adopt"], None),
        (["-a word of a later version"], ("a word of a later version", Exit.FAILED, "T0")),
    ],
)
def test_the_newest_run_that_looked_counts(ends, counts):
    found = trouble(ended(*ends), in_place=False)
    assert (found and (found.why, found.exit, found.at)) == counts


@pytest.mark.parametrize(("in_place", "code"), [(True, Exit.FAILED), (False, Exit.UNPROVEN)])
def test_an_open_place_is_worse_in_place(in_place, code):
    assert trouble(ended("-open place"), in_place=in_place).exit is code


def test_of_each_kind_of_end_the_newest_is_read_whatever_its_chain_and_whatever_else_stands_there(tmp_path):
    (tmp_path / "ledger").mkdir(0o700)
    url = f"sqlite:///{tmp_path}/ledger/l.db"
    ledger = open_ledger(url)
    told = {"event": EventName.RUN_END, "chain": "c", "spec": "a"}
    bad, good = Result.FAILURE, Result.SUCCESS
    made = [
        Event(ts="2026-11-24T08:00:00.000+00:00", reason="failed", outcome=bad, **told),
        Event(ts="2026-11-24T09:00:00.000+00:00", reason="at rest", outcome=good, **told),
        Event(ts="2026-11-24T10:00:00.000+00:00", reason="failed", outcome=bad, **told),
        Event(ts="2026-11-24T11:00:00.000+00:00", reason="not_before", outcome=good, **told),
    ]
    ledger.append(link(made, None)[0])
    ledger.append_loose(Event(ts="2026-11-24T12:00:00.000+00:00", reason="not_before", outcome=bad, **told | {"chain": "ledger"}))
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger/l.db") as database:
        database.execute("INSERT INTO event (chain, seq, hash, ts, event, spec, line) VALUES ('c', 9, '', '', 'run.end', 'a', 'no JSON')")
    assert last_ends(url)["a"] == [
        Ended(at="2026-11-24T12:00:00Z", why="not_before", well=False),
        Ended(at="2026-11-24T11:00:00Z", why="not_before", well=True),
        Ended(at="2026-11-24T10:00:00Z", why="failed", well=False),
        Ended(at="2026-11-24T09:00:00Z", why="at rest", well=True),
    ]
