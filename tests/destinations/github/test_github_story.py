"""The command line with a place that nobody can read back: taken, not observed, seen by a human, and changed behind our back."""

import json

import pytest
import yaml

from rotator.cli import main
from rotator.model import Secret
from rotator.rotate import Adopt
from rotator.testing.canary import Canary
from rotator.testing.servers.github import GithubServer, Holder, Token
from rotator.testing.stands import World
from rotator.testing.stands.twin import Overlapping
from rotator.testing.stands.world import NAME, write_private

TOKEN = "the-token-of-github-0123456789"
HOLDER = "repos/team/app"


@pytest.fixture(scope="module")
def stand():
    with Overlapping() as started:
        yield started


@pytest.fixture
def github():
    with GithubServer() as server:
        server.holders[HOLDER] = Holder()
        server.tokens[TOKEN] = Token({HOLDER: "write"})
        yield server


@pytest.fixture
def world(stand, github, tmp_path):
    made = World(stand, tmp_path / "world", "user-1", grace="1h")
    write_private(made.folder / "var/github", TOKEN)
    file = made.folder / "rotator.yaml"
    owner = yaml.safe_load(file.read_text())
    login = {"api_url": github.url, "repository": "team/app", "token": {"file": "var/github"}, "create": True}
    owner["destinations"] |= {"ci": {"type": "github_actions", "format": "json", **login}}
    write_private(file, yaml.safe_dump(owner))
    keys = dict(zip(("user", "password"), stand.fields, strict=True))
    made.write_schedule(publish=[{"destination": "ci", "path": "DB_LOGIN", "keys": keys, "accept": "attested"}])
    return made


@pytest.fixture
def here(world, capsys):
    """A command whose runs have processes of their own, but which itself starts in this one: starting it shows no more."""
    told = []

    def run(*words):
        capsys.readouterr()
        code = main(world.command("--json", *words, entry=()))
        out, err = capsys.readouterr()
        told.append(out + err)
        return code, json.loads(out)["results"][0]

    run.told = told
    return run


def test_taken_is_not_observed_until_a_human_saw_it_and_a_change_behind_our_back_is_not_overwritten(world, github, here):
    adopted = world.run(command=Adopt(), values=world.values())
    first = world.record().current
    assert (adopted.exit, adopted.why) == (3, "not observed")
    assert shown(github) == login_of(first)

    code, result = here("run", NAME, "--force")
    second = world.record().current
    assert (code, result["state"], second.id != first.id) == (3, "not observed", True)
    assert "--seen" in result["message"] + str(result)
    assert shown(github) == login_of(second)
    assert here("resolve", NAME, "--seen", "ci")[0] == 0
    assert here("run", NAME)[0] == 0

    github.put(HOLDER, "DB_LOGIN", '{"user":"somebody","password":"else"}')
    for _ in range(2):
        code, result = here("run", NAME)
        assert (code, result["state"]) == (4, "foreign_change of place")
    assert shown(github) == {"user": "somebody", "password": "else"}
    assert world.stand.works(first.credential)
    assert world.stand.works(second.credential)

    here("resolve", NAME, "--overwrite", "ci")
    assert shown(github) == login_of(second)
    assert here("resolve", NAME, "--seen", "ci")[0] == 0
    nothing_leaked(world, github, here.told, first, second)


def shown(github):
    return json.loads(github.value(HOLDER, "DB_LOGIN"))


def login_of(version):
    return {"user": version.credential.name, "password": version.credential.secret.reveal()}


def nothing_leaked(world, github, told, *versions):
    """Neither what was said, nor the ledger, nor what GitHub was sent shows a secret; the token stands in its header alone."""
    canary = Canary()
    for version in versions:
        canary.register(version.credential.secret, version.id)
    sent = [each.body for each in github.requests] + [each.path.encode() for each in github.requests]
    for data in (*sent, *(each.read_bytes() for each in (world.folder / "var").glob("ledger*"))):
        assert canary.search(data, "what was sent or kept") == []
    canary.register(Secret(TOKEN), "the token of GitHub")
    for text in told:
        assert canary.search(text, "what was said") == []
