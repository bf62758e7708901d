"""A server goes away in the middle of a mint: the request lost, or its reply. The next runs finish it, and nothing lives on unknown."""

import pytest

from rotator.testing.sweep import scan

MINTS = (b"PASSWORD 'SCRAM-SHA-256", b"Action=CreateAccessKey", b"POST /hub/api/users/")


@pytest.fixture(scope="module")
def field(new_field):
    made = new_field()
    made.adopt_fast(*made.rotations)
    return made


@pytest.mark.parametrize("answered", [pytest.param(False, marks=pytest.mark.soak), True])
def test_servers_that_go_away_in_the_middle_of_a_mint(field, servers, answered):
    old = {each: field.shown(each) for each in field.rotations}
    for relay, pattern in zip(servers.relays, MINTS, strict=True):
        relay.at(pattern, answered=answered)
    one_each = [each for each in field.rotations if each != "duo"]  # it shares its server with solo: one would find it gone
    done = field.rotator("--json", "--log-level", "debug", "run", *one_each, "--force")
    assert done.code == 1
    assert [each["exit"] for each in done.results.values()] == [1, 1, 1]
    for each in ("key", "token"):
        assert field.works(each, old[each]), "where the provider mints, the old one works on"
        assert done.results[each]["state"] == "failed"
    assert done.results["solo"]["state"] == "cut off"
    assert "a consumer may be cut off" in done.results["solo"]["message"]
    assert all(" at " in each["message"] for each in done.results.values())
    assert "Traceback" not in done.err + done.out
    for relay in servers.relays:
        relay.mend()
    servers.relays[0].at(MINTS[0], answered=answered)
    done = field.rotator("--json", "run", "duo", "--force")
    assert (done.code, done.results["duo"]["state"], " at " in done.results["duo"]["message"]) == (1, "failed", True)
    servers.relays[0].mend()
    assert field.works("duo", old["duo"]), "of two that take turns the old one works on"
    field.rest(runs=2)
    assert set(servers.aws.keys(field.name("uploader"))) == {field.shown("key").name}
    assert set(servers.hub.ids(field.name("billing"))) == {field.shown("token").name}
    assert field.rotator("audit", "verify").code == 0
    said = [hit for name, texts in field.said.items() for each in texts for hit in field.canary.search(each, name)]
    assert said + scan(field.canary, field.folder, servers.access_log, but=("*/admin/*", "*/store.key", "*/app/*")) == []
