"""Dry-run before a recording proxy: it changes nothing at the target and no byte on disk, and its steps are what `run` then does."""

from functools import partial

import pytest

from rotator.cli.runs import step_document
from rotator.errors import Exit
from rotator.step import Name
from rotator.testing.kill.worker import Kill, killed
from rotator.testing.stands import NAME, InPlace
from rotator.testing.stands.postgres import statements
from rotator.testing.stands.web import calls
from rotator.testing.tap import Tap

TIME_MAY_PASS = 5.0
"""Seconds between a dry-run and the run after it, by which a time in their steps may differ."""


@pytest.fixture
def tap(stand):
    with Tap(stand.port) as open_tap:
        yield open_tap


def changes(stand, tap):
    return [change for sent in tap.taken() for change in stand.changes(sent)]


def same(foreseen, done):
    """Whether two steps are one, but for times."""
    foreseen, done = step_document(foreseen), step_document(done)
    times = [each.pop("what") if isinstance(each["what"], float) else None for each in (foreseen, done)]
    close = None not in times and abs(times[0] - times[1]) < TIME_MAY_PASS
    return foreseen == done and (close or times == [None, None])


def proven(world, tap, *, ahead=0.0, **order):
    """A dry-run and the run after it, both so many seconds ahead; what the run changed at the target."""
    worker = partial(killed, ahead=ahead)
    tap.taken()
    files, alive = world.fingerprint(), world.stand.living(world.one)
    dry = world.run(worker, dry=True, **order)
    assert changes(world.stand, tap) == []
    assert world.fingerprint() == files
    assert world.stand.living(world.one) == alive
    run = world.run(worker, **order)
    assert (dry.exit, dry.why) == (run.exit, run.why)
    assert len(dry.steps) == len(run.steps)
    assert [(one, other) for one, other in zip(dry.steps, run.steps, strict=True) if not same(one, other)] == []
    return run, changes(world.stand, tap)


@pytest.fixture
def world(new_world, stand, tap):
    long = {key: value for key, value in {"grace": "15s", "soak": "10s"}.items() if getattr(stand, key) != "0s"}
    made = new_world(port=tap.port, **long)
    made.adopt()
    return made


def test_a_rotation_its_grace_and_its_end_are_foreseen(world, tap):
    run, changed = proven(world, tap, forced=True)
    assert run.exit is Exit.DONE
    assert Name.PROMOTE in [each.name for each in run.steps]
    assert changed, "the proxy sees what changes"
    if world.spec.in_place:
        assert run.why == "at rest"
        return
    waits = [proven(world, tap, ahead=0.0), proven(world, tap, ahead=16.0), proven(world, tap, ahead=27.0)]
    assert [changed for _, changed in waits[:1]] == [[]], "in grace nothing changes"
    assert any(changed for _, changed in waits[1:])
    assert waits[-1][0].why == "at rest"


def test_what_is_due_is_foreseen_and_what_is_not_rests(world, tap):
    rests, changed = proven(world, tap, named=False)
    assert (rests.why, changed) == ("at rest", [])
    world.write_schedule(when={"every": "30s"})
    due, changed = proven(world, tap, ahead=31.0, named=False)
    assert Name.PROMOTE in [each.name for each in due.steps]
    assert changed


@pytest.mark.parametrize(("effect", "when"), [("change", "before"), ("change", "after"), ("write record PROMOTE", "after")])
def test_what_a_killed_run_left_behind_is_foreseen(world, tap, effect, when):
    effect = ("set secret" if world.spec.is_set else "mint") if effect == "change" else effect
    died = world.run(partial(killed, kill=Kill(1, when, effect)), forced=True)
    assert died.why == "died"
    healed, _ = proven(world, tap)
    assert healed.exit is Exit.DONE


def test_before_any_run_a_dry_run_makes_no_file(new_world, tap):
    world = new_world(port=tap.port)
    files = world.fingerprint()
    assert world.run(dry=True).why == "adopt"
    assert world.fingerprint() == files
    assert changes(world.stand, tap) == []


@pytest.mark.parametrize("stand", [InPlace.shape], indirect=True)
def test_the_command_line_prints_the_same_steps_for_both(new_world):
    world = new_world()
    world.adopt()
    files = world.fingerprint()
    dry = world.rotator("--json", "dry-run", NAME, "--force")
    assert world.fingerprint() == files
    run = world.rotator("--json", "run", NAME, "--force")
    assert (dry.code, run.code) == (0, 0)
    told = [[(each["step"], each["phase"], each["row"], each["why"]) for each in one.first["steps"]] for one in (dry, run)]
    assert told[0] == told[1]
    assert "PROMOTE" in [step for step, *_ in told[0]]


def test_the_proxy_tells_reads_from_changes():
    startup = (8).to_bytes(4, "big") + b"\0\3\0\0"

    def message(kind, body):
        return kind + (len(body) + 4).to_bytes(4, "big") + body

    change = "ALTER ROLE \"a;b\" PASSWORD 'x;''y'"
    sent = startup + message(b"Q", f"BEGIN; {change}; COMMIT\0".encode()) + message(b"P", b"\0SELECT 1\0\0\0") + message(b"X", b"")
    assert list(statements(sent)) == ["BEGIN", change, "COMMIT", "SELECT 1"]
    stand = InPlace()
    assert stand.changes(sent) == [change]
    assert stand.changes(startup + message(b"Q", b"SELECT pg_terminate_backend(1)\0")) != []
    with pytest.raises(ValueError, match="kind"):
        stand.changes(startup + message(b"F", b""))
    asked = calls(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nA=BGET /x HTTP/1.1\r\n\r\n")
    assert [(each.method, each.path, each.body) for each in asked] == [("POST", "/", b"A=B"), ("GET", "/x", b"")]
