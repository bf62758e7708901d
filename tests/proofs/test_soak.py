"""The long proofs go on where they ended, and say no more than was told."""

import json
import signal
import subprocess
import sys
import time

import pytest

from rotator.testing.processes import descendants, gone_within
from rotator.testing.soak import __main__ as soak
from rotator.testing.soak.state import State, code_of, interpreter


@pytest.fixture
def checkout(tmp_path):
    """A repository of its own, with nothing in it."""
    for words in (["init", "-q"], ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def call(checkout, *words):
    command = [sys.executable, "-m", "rotator.testing.soak", "--parts", "--histories", "6", *words]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, timeout=120)


def test_histories_go_on_where_the_last_call_ended_and_a_broken_law_is_never_forgotten(checkout):
    kept = checkout / "docs/reliability.json"
    assert call(checkout).returncode == 0
    first = json.loads(kept.read_text())
    assert (first["histories"], first["next_seed"], first["violations"]) == (6, 6, [])
    assert first["runs"] > 6
    assert call(checkout).returncode == 0
    second = json.loads(kept.read_text())
    assert (second["histories"], second["next_seed"], sum(second["by_shape"].values())) == (12, 12, 12)
    kept.write_text(json.dumps(second | {"violations": ["seed 3: I1: it does not log in"]}))
    done = call(checkout, "--minutes", "0")
    assert (done.returncode, "1 violations" in done.stdout) == (1, True)
    report = (checkout / "RELIABILITY.md").read_text()
    assert "| histories | 12 (seeds 0 to 11) |" in report
    assert f"| told by | {interpreter()}: 12 |" in report
    assert "| violations | **1** |" in report
    assert "| kills | not run on this code |" in report
    assert "seed 3: I1" in report


def test_other_code_begins_anew_with_histories_that_were_not_told_before(checkout):
    kept = checkout / "docs/reliability.json"
    kept.parent.mkdir()
    broken = ["seed 3: I1: it does not log in"]
    State("another code", "abc", histories=10**6, next_seed=10**6, faults=7, violations=broken, parts={"kills": "2 kills"}).keep(kept)
    assert call(checkout).returncode == 0
    found = json.loads(kept.read_text())
    assert (found["histories"], found["parts"], found["first_seed"], found["violations"]) == (6, {}, 10**6, [])
    report = (checkout / "RELIABILITY.md").read_text()
    assert "| histories | 6 (seeds 1,000,000 to 1,000,005) |" in report
    assert "| another code, last at commit abc | 1,000,000 | 7 | 1 | kills: 2 kills |" in report.partition("\n## Before\n")[2]
    assert call(checkout).returncode == 0
    assert json.loads(kept.read_text())["earlier"] == found["earlier"]


def test_a_part_that_ended_well_is_not_told_again_and_one_that_did_not_is(tmp_path, monkeypatch, capsys):
    asked = tmp_path / "asked"
    say = f"import sys; open({str(asked)!r}, 'a').write(sys.argv[1]); print('progress'); print('== ' + sys.argv[1] + ' ==')"
    say += "; sys.exit(int(sys.argv[2]))"
    monkeypatch.setattr(soak, "PARTS", {"good": ["-c", say, "good", "0"], "bad": ["-c", say, "bad", "1"]})
    monkeypatch.setattr(soak, "KEPT", tmp_path / "kept.json")
    state = State("code", commit="abc")
    assert soak.tell_parts(state, ["good", "bad"]) == 1
    assert capsys.readouterr().err.count("progress\n") == 1, "of what failed its end is shown"
    assert state.parts == {"good": "good (at commit abc)", "bad": "NOT GOOD: bad (at commit abc)"}
    again = State.of(tmp_path / "kept.json", "code")
    assert again == state
    assert soak.tell_parts(again, ["good", "bad"]) == 1
    assert asked.read_text() == "goodbadbad"


def test_a_part_and_histories_may_be_told_by_two_calls_at_once(tmp_path):
    kept = tmp_path / "kept.json"
    before = State("code", histories=5, next_seed=5, parts={"again": "NOT GOOD: 1 failed"})
    before.keep(kept)
    histories, part = State.of(kept, "code"), State.of(kept, "code")
    histories.histories = histories.next_seed = 9
    histories.keep(kept)
    part.parts |= {"again": "told", "new": "NOT GOOD: 2 failed"}
    part.keep(kept)
    histories.keep(kept)
    told = State("code", histories=9, next_seed=9, parts={"again": "told", "new": "NOT GOOD: 2 failed"})
    assert State.of(kept, "code") == histories == part == told
    assert [each.name for each in tmp_path.iterdir()] == ["kept.json"]


def test_a_part_that_does_not_fit_into_this_call_is_left_for_the_next_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(soak, "PARTS", {"long": ["-c", "print('told')"]})
    monkeypatch.setattr(soak, "KEPT", tmp_path / "kept.json")
    state = State("code", commit="abc")
    assert soak.tell_parts(state, ["long"], time.monotonic() + soak.LONGEST - 1) == 0
    assert (state.parts, capsys.readouterr().err) == ({}, "long: left for the next call\n")
    soak.tell_parts(state, ["long"], time.monotonic() + soak.LONGEST + 60)
    assert state.parts == {"long": "told (at commit abc)"}


def test_the_code_of_a_history_is_that_of_every_module_of_ours_that_it_loads(tmp_path):
    ask = "from rotator.testing.soak.__main__ import code_of; print(code_of())"
    told = {subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, cwd=tmp_path).stdout for _ in range(2)}
    assert len(told) == 1
    assert told != {code_of() + "\n"}  # this process has loaded more


def test_a_soak_that_is_told_to_end_ends_its_kills_and_their_servers(checkout):
    command = [sys.executable, "-m", "rotator.testing.soak", "--histories", "0", "--parts", "kills"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=checkout, start_new_session=True, **quiet) as soaking:
        began = time.monotonic()
        while len(below := descendants(soaking.pid)) < 8 and time.monotonic() < began + 60:  # the kill proof, its parts, their servers
            time.sleep(0.1)
        assert len(below) >= 8
        soaking.send_signal(signal.SIGTERM)
        assert soaking.wait(60) != 0
    assert gone_within(below, 20.0).seconds < 20.0
