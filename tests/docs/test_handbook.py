"""The ways out that the recovery handbook gives lead out."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from drop_in import FIRST, TARGET, plugins, porter, rotator
from labs import crash_at, due, living, rotated
from pages import DOCS, ROOT, marked

from rotator.errors import Exit
from rotator.model import Credential, Secret
from rotator.rotate import Adopt, HoldUntil, Undo
from rotator.testing.lab import PATH, Lab, in_memory, on_disk
from rotator.testing.twins import TwinKey

HANDBOOK = DOCS / "recovery.md"
THEIRS = "a-human-chose-this-0123456789-0123"
PLACES = frozenset({"local", "env"})


def changed_by_hand(lab, name):
    lab.oracle.human_broke_current = True
    lab.system.users[name].secrets = [THEIRS]
    lab.oracle.living = lab.system.living()


@pytest.mark.parametrize("shape", ["in place", "alternating", "overlapping"])
def test_foreign_change_at_rest_their_password_is_taken(shape):
    lab = Lab(shape, in_memory())
    lab.adopt()
    name = lab.first.name
    changed_by_hand(lab, name)
    assert lab.run(named=True).why == "foreign_change"
    assert lab.run(Adopt(credential=Credential(name=name, secret=Secret(THEIRS)))).exit is Exit.DONE
    assert lab.run(named=True).why == "at rest"


def test_foreign_change_in_a_rotation_what_the_store_shows_is_put_back():
    lab = due("in place")
    lab.run(plan=crash_at("write record PROMOTE"))
    changed_by_hand(lab, "app")
    assert lab.run(named=True).why == "foreign_change"
    assert lab.run(Undo()).why == "foreign_change"
    lab.system.users["app"].secrets = [lab.shown("local")[1]]
    lab.oracle.living = lab.system.living()
    assert lab.run(named=True).exit is Exit.DONE


def test_a_deleted_key_in_grace_is_gone_back_from():
    lab = rotated("issue, two slots")
    deleted, alive = lab.record().current.credential.name, lab.record().previous.credential
    lab.oracle.human_broke_current = True
    lab.system.keys.pop(deleted)
    lab.oracle.living = lab.system.living()
    assert lab.run(named=True).why == "foreign_change"
    assert lab.run(Undo()).exit is Exit.DONE
    assert lab.record().current.credential.same(alive)


def test_a_deleted_key_in_mid_revoke_gives_way_to_one_that_works(tmp_path):
    lab = Lab("issue, two slots", on_disk(tmp_path))
    lab.adopt()
    lab.at(10_010)
    lab.run()
    lab.at(12_300)
    lab.run()
    lab.at(12_700)
    lab.run(plan=crash_at("revoke"))
    lab.oracle.human_broke_current = True
    lab.system.keys.clear()
    alive = Credential(name="key-minted", secret=Secret(THEIRS))
    lab.system.keys["key-minted"] = TwinKey(THEIRS, lab.seam.now())
    lab.oracle.living = lab.system.living()
    for command in (None, Undo()):
        assert lab.run(command, named=True).exit in (Exit.HUMAN, Exit.FAILED)
    adopted = lab.run(Adopt(credential=alive), named=True)
    assert (adopted.exit, living(lab)) == (Exit.DONE, [alive.name])
    lab.at(20_010)
    assert lab.run(named=True, forced=True).exit is Exit.DONE


def test_a_record_that_was_lost_is_adopted_anew(tmp_path):
    lab = Lab("issue, two slots", on_disk(tmp_path))
    lab.adopt()
    for kind in ("records", "values"):
        (tmp_path / "store" / kind / f"{PATH}.rec").rename(tmp_path / kind)
    lab.oracle.start()
    assert lab.run(named=True).why == "adopt"
    adopted = lab.run(Adopt(credential=lab.first, overwrite=PLACES), named=True)
    assert (adopted.exit, living(lab)) == (Exit.DONE, [lab.first.name])
    assert lab.run(named=True, forced=True).why == "grace"


def test_a_hold_of_nothing_ends_a_hold():
    lab = rotated("alternating")
    lab.run(HoldUntil("month end", 100_000))
    lab.at(50_000)
    assert lab.run().why == "hold"
    assert lab.run(HoldUntil("no longer needed", 0.0)).why != "hold"


@contextmanager
def adopted(folder):
    """The spec `door-app` of the page for authors, adopted, beside its running system. Gives the folder of the plugin."""
    drop_in = plugins(folder / "plugins", {"rotator_porter.py": (ROOT / "tests/typing/porter.py").read_text()}, [TARGET])
    rotator(folder, drop_in, "init")
    (folder / "schedules/example.yaml").write_text(marked(TARGET, "fragment: schedules/example.yaml")[0].text)
    with porter(folder) as server:
        (folder / "rotator.yaml").write_text(marked(TARGET, "fragment: rotator.yaml")[0].text.replace("4711", str(server.server_port)))
        rotator(folder, drop_in, "adopt", "door-app", given=json.dumps(FIRST))
        yield drop_in


def test_a_ledger_that_is_gone_is_begun_anew_and_verify_names_the_first_event_as_missing(tmp_path):
    with adopted(tmp_path) as drop_in:
        for each in (tmp_path / "var").glob("ledger.db*"):
            each.unlink()
        (before,) = json.loads(rotator(tmp_path, drop_in, "status"))["specs"]
        assert json.loads(rotator(tmp_path, drop_in, "run", "door-app", "--force"))["results"][0]["state"] == "at rest"
    assert not before["last"]
    told = json.loads(rotator(tmp_path, drop_in, "audit", "verify", ends=1))
    (chain,) = [each for each in told["chains"] if each["chain"] == "local:door/app"]
    assert (chain["verdict"], chain["first_bad"]) == ("tampered", 1)
    assert chain["why"].startswith("the event is missing")


def test_a_shell_that_was_prepared_as_the_handbook_says_has_what_the_job_has(tmp_path):
    ours = {"/etc/rotator": str(tmp_path), "/var/lib/rotator": str(tmp_path / "var"), "/opt/rotator/bin": str(Path(sys.executable).parent)}
    lines = marked(HANDBOOK, "handbook: environment")[0].text
    for there, here in ours.items():
        lines = lines.replace(there, here)
    (tmp_path / "secrets.env").write_text("PG_ADMIN_PASSWORD='a $value # with blanks'\n")

    def shell(script):
        return subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60, check=False
        )

    rotator = Path(sys.executable).with_name("rotator")
    assert shell(f"{rotator} init").returncode == 0
    bare = shell(f"{rotator} status")
    assert (bare.returncode, "PG_ADMIN_PASSWORD is not set" in bare.stderr) == (2, True)
    prepared, last = lines.rstrip().rsplit("\n", 1)
    assert last.startswith("exec runuser -u rotator -- bash ")
    asked = shell(f"{prepared}\ncd /\nrotator status\nenv")
    assert "adopt" in asked.stdout, asked.stderr
    assert "PG_ADMIN_PASSWORD=a $value # with blanks" in asked.stdout.splitlines()


def test_a_record_of_no_spec_is_gone_once_its_file_is_moved_as_the_handbook_says(tmp_path):
    schedule = tmp_path / "schedules/example.yaml"
    with adopted(tmp_path) as drop_in:
        schedule.write_text(schedule.read_text().replace("path: door/app", "path: door/other"))
        before = json.loads(rotator(tmp_path, drop_in, "status", ends=4))["specs"]
    assert {each["spec"]: each["state"] for each in before} == {"door-app": "adopt", "local:door/app": "of no spec"}
    (block,) = marked(HANDBOOK, "handbook: of no spec")
    subprocess.run(["bash", "-euc", block.text.replace("orders/db", "door/app")], cwd=tmp_path, check=True, timeout=10)
    after = json.loads(rotator(tmp_path, drop_in, "status", ends=4))["specs"]
    assert [each["spec"] for each in after] == ["door-app"]
