"""The printed policy is enough, and nothing in it can be left out."""

from pathlib import Path

import pytest

from rotator.errors import Denied
from rotator.model import Level, Place, Secret, same_values
from rotator.stores.vault.policy import Line, Policy
from rotator.testing.records import a_record

PATH, PLACE = "orders/db", Place("vault", "orders/db")
KEEPS = 4


def lines_of(world, **settings):
    return Policy(world.settings(**settings)).lines([PATH], keeps_versions=True)


def without(lines, line, capability):
    left = tuple(each for each in line.capabilities if each != capability)
    return [each for each in lines if each is not line] + ([Line(line.path, left)] if left else [])


def text(lines):
    return "\n".join(map(str, lines))


def fields(n):
    return {"username": Secret("app"), "password": Secret(f"password number {n:020d}")}


def life(world, token):
    """All that a store is ever asked for, a visible document that was deleted included. Raises, or returns what `check` found wrong."""
    one = world.store(token=token)
    assert one.read(PATH).revision is None
    record = one.write(PATH, a_record(1))
    for n in (2, 3):
        record = world.store(token=token).write(PATH, a_record(n, before=record))
    assert one.paths() == [PATH]
    one.publish(PLACE, fields(1), "v1", 1)
    one.publish(PLACE, fields(2), "v2", 2)
    world.call("DELETE", f"data/{PATH}")
    one.publish(PLACE, fields(3), "v3", 3)
    assert same_values(one.published(PLACE), fields(3))
    return [each for each in one.check() if each.level is not Level.OK]


def fixes(world, token):
    """The ways out that were named, of the error or else of the findings."""
    try:
        found = life(world, token)
    except Denied as error:
        return [error.fix.removesuffix("; else correct `mount`")]
    return [each.fix.replace("add to its policy:", "its policy needs:") for each in found if each.level is Level.FAIL]


@pytest.fixture
def keeping(world, bao):
    """A mount that keeps versions needs every line."""
    world.mount = bao.mount(max_versions=KEEPS)
    return world


def test_the_printed_policy_is_enough_and_old_records_are_gone(keeping, bao):
    assert life(keeping, bao.token(text(lines_of(keeping)))) == []
    assert list(keeping.versions(f"rotator/records/{PATH}")) == ["3"]


def test_where_the_mount_keeps_no_versions_destroy_is_not_needed(world, bao):
    lines = Policy(world.settings()).lines([PATH], keeps_versions=False)
    assert not any("/destroy/" in each.path for each in lines)
    assert life(world, bao.token(text(lines))) == []
    assert list(world.versions(f"rotator/records/{PATH}")) == ["3"]


@pytest.mark.parametrize("place", range(12))
def test_without_any_one_capability_something_fails_and_the_line_is_named(keeping, bao, place):
    lines = lines_of(keeping)
    every = [(line, capability) for line in lines for capability in line.capabilities]
    assert len(every) == 12
    line, capability = every[place]
    token = bao.token(text(without(lines, line, capability)))
    assert fixes(keeping, token) == [f"its policy needs: {line}"]


def test_a_consumer_may_read_its_path_and_nothing_of_ours(world, bao):
    store = world.store()
    store.write(PATH, a_record(1))
    store.publish(PLACE, fields(1), "v1", 1)
    consumer = bao.token(str(Policy(world.settings()).consumer(PATH)))
    assert bao.call("GET", f"{world.mount}/data/{PATH}", token=consumer)["data"]["data"]["username"] == "app"
    for own in (f"rotator/records/{PATH}", f"rotator/places/{PATH}"):
        with pytest.raises(OSError, match="403"):
            bao.call("GET", f"{world.mount}/data/{own}", token=consumer)


def test_check_names_each_missing_line_for_the_paths_that_it_was_asked_for(world, bao):
    policy = Policy(world.settings())
    store = world.store(token=bao.token(text([policy.config, Line(policy.own.path, ("read",))])))
    store.read(PATH)
    found = store.check()
    assert {each.level for each in found} == {Level.FAIL}
    assert {each.code for each in found} == {"privilege.missing"}
    assert [each.fix for each in found] == [f"add to its policy: {each}" for each in (policy.own, policy.metadata, policy.place(PATH))]


def test_check_says_where_it_cannot_tell(world, bao):
    policy = text(lines_of(world))
    store = world.store(token=bao.token(policy, no_default_policy=True))
    store.read(PATH)
    assert [(each.level, each.code) for each in store.check()] == [(Level.WARN, "privilege.unproven")]


@pytest.mark.parametrize(
    ("more", "code", "word"),
    [({"ttl": "30m"}, "principal.expired", "ends in"), ({"num_uses": 50}, "principal.expired", "more calls")],
)
def test_check_warns_of_a_token_that_will_not_last(world, bao, more, code, word):
    store = world.store(token=bao.token(text(lines_of(world)), **more))
    store.read(PATH)
    assert [(each.level, each.code) for each in store.check() if word in each.text] == [(Level.WARN, code)]


def test_check_warns_of_a_root_token(world):
    assert [each.code for each in world.store().check()] == ["principal.superuser"]


def test_the_page_shows_the_policy_that_is_proven_here(world):
    page = (Path(__file__).parents[3] / "docs/stores-vault.md").read_text()
    shown = page.partition("<!-- policy -->\n```hcl\n")[2].partition("```")[0]
    assert shown.strip() == text(Policy(world.settings(mount="secret")).lines([PATH], keeps_versions=True))
