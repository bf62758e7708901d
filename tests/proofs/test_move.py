"""A record that is moved between files, a real OpenBao and Secrets Manager: killed at any moment, and ended by the same command."""

import json
import re
import shutil
from contextlib import ExitStack
from functools import partial
from itertools import count

import pytest
import yaml

from rotator.errors import Exit
from rotator.model import Credential, Secret
from rotator.rotate import Move
from rotator.testing.kill.worker import Kill, Point, killed
from rotator.testing.stands import STORES, InPlace, World
from rotator.testing.stands.base import write_private
from rotator.testing.stands.stores import TOKEN_FILE

pytestmark = pytest.mark.parametrize("stand", [InPlace.shape], indirect=True, scope="package")
CORE = ["write record CLAIM", "publish", "write record PUBLISH", "write record RELEASE"]
"""Effects of a move that leave something behind."""
NUMBERS = count(1)
"""Of worlds: the server is one for all of them."""


class TwoStores(World):
    """A world whose record may go on at another store."""

    there = None

    @property
    def plugins(self):
        return [*super().plugins, *([str(self.there.drop_in)] if self.there and self.there.drop_in else [])]


def beside(new, world):
    """The settings of the other store; what logs in there has a file of its own."""
    mine, there = world.folder / TOKEN_FILE, world.folder / "var/other.token"
    before = mine.read_text() if mine.exists() else None
    settings = json.loads(json.dumps(new.settings(world.folder, world.one)).replace(TOKEN_FILE, "var/other.token"))
    if mine.exists():
        mine.rename(there)
    if before:
        write_private(mine, before)
    return settings


@pytest.fixture
def worlds(request, stand, tmp_path):
    """Makes worlds whose record may go on at another store."""
    kinds = getattr(request, "param", ("file", "vault"))
    with ExitStack() as stack:
        old, new = (stack.enter_context(STORES[each]()) for each in kinds)
        stand.store = old

        def make():
            number = next(NUMBERS)
            path = f"team/m{number}"  # of its own: the server is every world's
            world = TwoStores(stand, tmp_path / str(number), f"m{number}", store={"name": "local", "path": path})
            world.store_path = path
            owner = yaml.safe_load((world.folder / "rotator.yaml").read_text())
            owner["stores"]["other"] = beside(new, world)
            write_private(world.folder / "rotator.yaml", yaml.safe_dump(owner))
            world.there = new
            world.adopt()
            return world

        yield make
        stand.store = None


def to_other(world):
    """The order of the move."""
    return Move(world.spec.in_store(world.loaded().config.stores["other"].named))


def logs_in_there(world):
    """Whether what consumers of the new place read logs in."""
    shown = world.shown()["local"]
    return shown is not None and world.stand.works(shown)


def effects_of(world):
    """What a move does, in order."""
    note = world.folder.parent / "census"
    result = world.run(worker=partial(killed, census=(world.folder, note)), command=to_other(world))
    assert result.why == "moved", result
    return [point for point in (Point(**json.loads(line)) for line in note.read_text().splitlines()) if point.when == "before"]


def killed_move(world, number, when):
    """Kill a move, end it by the same command, write the new store in the schedule, rotate. What is wrong, in words."""
    old = world.record().current.credential
    result = world.run(worker=partial(killed, kill=Kill(number, when)), command=to_other(world))
    found = [] if result.why == "died" or world.record().elsewhere else [f"it says {result.why}"]
    found += [] if world.stand.works(old) else ["the move broke the credential"]
    ended = world.run(command=to_other(world))
    found += [] if ended.exit is Exit.DONE else [f"once more: {ended.message}"]
    found += ["the old record still holds a secret"] * bool(world.record().known())
    world.write_schedule(store={"name": "other", "path": world.store_path})
    found += [] if logs_in_there(world) else ["what is read there does not log in"]
    again = world.run(forced=True)
    found += [] if again.exit is Exit.DONE else [f"the next rotation: {again.message}"]
    found += [] if logs_in_there(world) and not world.stand.works(old) else ["after the next rotation the wrong one logs in"]
    shutil.rmtree(world.folder)
    return found


def test_a_move_that_is_killed_where_it_leaves_something_behind_is_ended_by_the_same_command(worlds):
    effects = effects_of(worlds())
    assert set(CORE) <= {each.name for each in effects}
    chosen = [each for each in effects if each.name in CORE]
    assert len(chosen) > len(CORE)
    assert {each.name: found for each in chosen if (found := killed_move(worlds(), each.number, "after"))} == {}


@pytest.mark.soak
@pytest.mark.parametrize("worlds", [("file", "vault"), ("vault", "aws_secrets_manager"), ("aws_secrets_manager", "file")], indirect=True)
def test_a_move_that_is_killed_at_any_moment_is_ended_by_the_same_command(worlds):
    found = {}
    for each in effects_of(worlds()):
        for when in ("before", "after"):
            wrong = killed_move(worlds(), each.number, when)
            found |= {f"{when} {each.number} ({each.name})": wrong} if wrong else {}
    assert found == {}


def test_an_operator_moves_a_record_and_a_foreign_client_reads_there_what_logs_in(worlds):
    world = worlds()
    moved = world.rotator("--json", "store", "move", "it", "--to", "other")
    assert (moved.code, moved.first["state"]) == (0, "moved")
    assert f"store: {{name: other, path: {world.store_path}}}" in moved.first["fix"]
    stopped = world.rotator("--json", "run", "it")
    assert (stopped.code, stopped.first["state"]) == (4, "elsewhere")
    assert f"other:{world.store_path}" in stopped.first["message"]
    spec, there = world.rotator("--json", "status").json["specs"]
    assert spec["state"] == "elsewhere"
    assert spec["waits_for"] == f"write `store: {{name: other, path: {world.store_path}}}` in the spec"
    assert (there["state"], there["waits_for"]) == ("of no spec", "this is the record of it: write this store in the spec")
    world.write_schedule(store={"name": "other", "path": world.store_path})
    for command in (("run", "it", "--force"), ("status",), ("audit", "verify"), ("validate",)):
        done = world.rotator(*command)
        assert done.code == 0, done
    read = world.there.server.bao("kv", "get", "-mount=secret", "-format=json", world.store_path)
    shown = json.loads(read)["data"]["data"]
    assert world.stand.works(Credential(name=shown["username"], secret=Secret(shown["password"])))
    assert not world.stand.works(world.first)
    again = world.rotator("store", "move", "it", "--to", "other")
    assert (again.code, "--from STORE" in again.err) == (2, True)
    again = world.rotator("--json", "store", "move", "it", "--from", "local", "--to", "other")
    assert (again.code, again.first["state"]) == (0, "moved")


def advised(row, number=0):
    """The words of a command that a row of `status` advises."""
    return re.findall(r"`rotator ([^`]*)`", row["waits_for"])[number].split()


@pytest.mark.parametrize(("effect", "row"), [("publish", 1), ("write record RELEASE", 0), ("write record RELEASE", 1)])
def test_what_status_advises_after_a_move_was_cut_off_ends_it(worlds, effect, row):
    world = worlds()
    number = next(each.number for each in effects_of(worlds()) if each.name == effect)
    assert world.run(worker=partial(killed, kill=Kill(number, "after")), command=to_other(world)).why == "died"
    rows = world.rotator("--json", "status").json["specs"]
    assert [each["spec"] for each in rows] == ["it", f"other:{world.store_path}"]
    done = world.rotator("--json", *advised(rows[row]))
    assert (done.code, done.first["state"]) == (0, "moved"), done
    world.write_schedule(store={"name": "other", "path": world.store_path})
    assert world.rotator("run", "it", "--force").code == 0
    assert world.rotator("audit", "verify").code == 0


def test_a_move_that_was_cut_off_is_given_up_by_the_same_words_the_other_way(worlds):
    world = worlds()
    number = next(each.number for each in effects_of(worlds()) if each.name == "publish")
    assert world.run(worker=partial(killed, kill=Kill(number, "after")), command=to_other(world)).why == "died"
    _, copy = world.rotator("--json", "status").json["specs"]
    assert "`--from other --to local` empties it" in copy["waits_for"]
    assert world.rotator("store", "move", "it", "--from", "other", "--to", "local").code == 0
    rows = world.rotator("--json", "status").json["specs"]
    assert [(each["spec"], each["state"]) for each in rows] == [("it", "at rest")]
    assert world.rotator("run", "it", "--force").code == 0


def test_who_names_the_new_store_first_is_told_to_move_the_record_and_may_not_adopt_a_second_one(worlds):
    world = worlds()
    world.write_schedule(store={"name": "other", "path": world.store_path})
    asked = world.rotator("adopt", "it", "--new")
    assert (asked.code, f"the record of it stands at local:{world.store_path}" in asked.err) == (2, True), asked
    row, there = world.rotator("--json", "status").json["specs"]
    assert row["waits_for"].startswith(f"its record is at local:{world.store_path}")
    assert "this is the record of it" in there["waits_for"]
    done = world.rotator("--json", *advised(row))
    assert (done.code, done.first["state"]) == (0, "moved"), done
    assert world.rotator("run", "it", "--force").code == 0


def test_the_path_of_another_spec_is_no_place_to_move_to(worlds):
    world = worlds()
    schedule = world.folder / "schedules/team.yaml"
    both = yaml.safe_load(schedule.read_text())
    other = json.loads(json.dumps(both["rotations"]["it"])) | {"store": {"name": "other", "path": world.store_path}, "publish": []}
    other["target"]["username"] = "somebody-else"
    both["rotations"]["billing"] = other
    write_private(schedule, yaml.safe_dump(both))
    refused = world.rotator("store", "move", "it", "--to", "other")
    assert (refused.code, f"the path {world.store_path} in the store other belongs to billing" in refused.err) == (2, True), refused


def test_a_store_that_is_not_there_or_not_for_this_spec_is_refused_and_nothing_is_touched(worlds):
    world = worlds()
    file = world.folder / "rotator.yaml"
    before = file.read_text()
    unknown = world.rotator("store", "move", "it", "--to", "nowhere")
    assert (unknown.code, "the stores are: local, other" in unknown.err) == (2, True)
    owner = yaml.safe_load(before)
    owner["stores"]["other"]["allow"] = {"schedules": ["another.yaml"]}
    write_private(file, yaml.safe_dump(owner))
    barred = world.rotator("store", "move", "it", "--to", "other")
    assert (barred.code, "not for this schedule file" in barred.err) == (2, True)
    owner["stores"]["other"]["allow"] = {"schedules": ["team.yaml"]}
    owner["connections"]["system"]["allow"] = {"stores": ["local:**"]}
    write_private(file, yaml.safe_dump(owner))
    barred = world.rotator("store", "move", "it", "--to", "other")
    assert (barred.code, "does not allow other:" in barred.err) == (2, True)
    write_private(file, before)
    assert world.rotator("run", "it").code == 0
