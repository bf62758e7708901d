"""GitLab and Gitea as the manual writes them down, at strict doubles of their published API: recorded, not run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from rotator.errors import BadInput, Denied, Exit, Refused, Rejected, Unfit
from rotator.model import Credential, Level, Secret
from rotator.testing.issue_contract import IssueBench, IssueTargetContract
from rotator.testing.servers.raw import RawServer
from rotator.testing.target_contract import AdminIs
from rotator_http_token import HttpToken, HttpTokenSettings
from tests.plugins.http.conftest import runtime
from tests.plugins.http.gitea import Gitea
from tests.plugins.http.gitlab import GitLab
from tests.plugins.http.readme import there
from tests.plugins.rotation import Rotations

ADMIN, BLIND, PASSWORD = "glpat-of-a-maintainer-0001", "glpat-of-somebody-00000002", "password-of-billing-0003"
PROJECT = 12
SETTLE = {"appears": "1s", "disappears": "2s", "streak": 1, "every": "1s"}
SPEC = {"principal": str(PROJECT), "params": {"access_level": 30}, "lifetime": "90d"}


class RecordedBench(IssueBench):
    driver = "httpx"
    server: RawServer
    admins: dict[str, str]

    def settings(self) -> dict[str, Any]:
        raise NotImplementedError

    def make_target(self, *, timeout: float = 10.0, fence: int = 1, admin: AdminIs = "good", **changes: Any) -> HttpToken:
        host, name = self.host
        lent = replace(runtime({name: self.admins.get(admin) or self.lacks("weak admin")}, timeout), fence=fence)
        return HttpToken(there(host, self.server.url, **changes), HttpTokenSettings.model_validate(self.settings()), lent)


class GitLabBench(RecordedBench):
    driver = None  # its `lifetime` does not come back from JSON as it stands in YAML
    host = ("gitlab.internal", "GITLAB_ADMIN")

    def __init__(self, server: RawServer) -> None:
        self.admins = {"good": ADMIN, "wrong": "0" * 26}  # no weak one: a project that an admin does not see is not there
        self.server, self.gitlab = server, GitLab({ADMIN: {PROJECT}, BLIND: set()})
        server.answer = self.gitlab
        id, secret = self.gitlab.make(PROJECT, "made by hand")
        self.current = Credential(name=str(id), secret=Secret(secret))

    def settings(self) -> dict[str, Any]:
        return SPEC

    def logs_in(self, credential: Credential) -> bool:
        return credential.secret is not None and self.gitlab.works(credential.secret.reveal())

    def state(self) -> object:
        return [vars(each).copy() for each in self.gitlab.tokens.values()]

    def remove(self, credential: Credential) -> None:
        self.gitlab.tokens[int(credential.name)].revoked = True


class GiteaBench(RecordedBench):
    host = ("gitea.internal", "GITEA_PASSWORD")

    def __init__(self, server: RawServer) -> None:
        self.admins = {"good": PASSWORD, "wrong": "0" * 26}
        self.server, self.gitea = server, Gitea({"billing": PASSWORD, "other": "x"})
        server.answer = self.gitea
        id, secret = self.gitea.make("billing", "made by hand")
        self.current = Credential(name=str(id), secret=Secret(secret))

    def settings(self) -> dict[str, Any]:
        return {"principal": "billing"}

    def logs_in(self, credential: Credential) -> bool:
        return credential.secret is not None and self.gitea.works("billing", credential.secret.reveal())

    def state(self) -> object:
        return {id: vars(each).copy() for id, each in self.gitea.tokens.items()}

    def remove(self, credential: Credential) -> None:
        del self.gitea.tokens[int(credential.name)]


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with RawServer(Gitea({})) as raw:
        yield raw


@pytest.fixture
def gitlab(server: RawServer) -> GitLabBench:
    return GitLabBench(server)


@pytest.fixture
def gitea(server: RawServer) -> GiteaBench:
    return GiteaBench(server)


class TestGitLab(IssueTargetContract):
    @pytest.fixture
    def bench(self, gitlab: GitLabBench) -> GitLabBench:
        return gitlab


class TestGitea(IssueTargetContract):
    @pytest.fixture
    def bench(self, gitea: GiteaBench) -> GiteaBench:
        return gitea


@pytest.mark.parametrize("which", ["gitlab", "gitea"])
def test_a_rotation_ends_with_one_new_token_and_the_old_one_dead(which: str, request: pytest.FixtureRequest) -> None:
    bench: Any = request.getfixturevalue(which)
    old = bench.current
    assert old.secret is not None
    rotations = Rotations(lambda: bench.make_target(settle=SETTLE))
    rotations.adopt((old.name, old.secret.reveal()))
    assert rotations.run(forced=True, named=True).exit is Exit.DONE
    assert bench.logs_in(old), "the old one lives until grace is over"
    rotations.until_rest()
    current = rotations.record.current
    assert current is not None
    assert (bench.logs_in(current.credential), bench.logs_in(old)) == (True, False)
    assert [(each.id, each.label) for each in bench.make_target().live()] == [(current.credential.name, rotations.spec.label(current.id))]
    secrets = [old.secret, current.credential.secret, Secret(bench.admins["good"])]
    assert not [each for each in secrets if each is not None and each.reveal() in rotations.events]


def test_gitlab_lists_every_page_and_only_what_is_alive(gitlab: GitLabBench) -> None:
    made = [gitlab.gitlab.make(PROJECT, f"token-{number}")[0] for number in range(205)]
    gitlab.gitlab.tokens[made[7]].revoked = True
    gitlab.gitlab.make(13, "of another project")
    assert sorted(int(each.id) for each in gitlab.make_target().live()) == sorted({int(gitlab.current.name), *made} - {made[7]})


def test_gitea_lists_every_page_though_it_sends_no_link(gitea: GiteaBench) -> None:
    made = [gitea.gitea.make("billing", f"token-{number}")[0] for number in range(105)]
    gitea.gitea.make("other", "of somebody else")
    assert sorted(int(each.id) for each in gitea.make_target().live()) == [int(gitea.current.name), *made]


def test_gitlab_gets_a_number_and_a_date_and_the_token_expires_with_it(gitlab: GitLabBench) -> None:
    token = gitlab.make_target().issue("rotation-1")
    made = gitlab.gitlab.tokens[int(token.name)]
    assert (made.level, made.name) == (30, "rotation-1")
    assert token.expires is not None
    assert token.expires.date().isoformat() == made.expires


@pytest.mark.parametrize("level", ["30", 9, 31, True])
def test_a_level_that_the_connection_does_not_allow_is_refused_before_any_call(gitlab: GitLabBench, level: Any) -> None:
    gitlab.settings = lambda: SPEC | {"params": {"access_level": level}}  # type: ignore[method-assign]  # this test's own spec
    gitlab.server.requests.clear()
    with pytest.raises(BadInput, match="does not allow"):
        gitlab.make_target()
    assert gitlab.server.requests == []


def test_a_gitlab_admin_that_does_not_see_the_project_is_told_so_by_check(gitlab: GitLabBench) -> None:
    gitlab.admins = {"good": BLIND}
    found = gitlab.make_target().check([gitlab.current])
    assert [each.code for each in found if each.level is Level.FAIL] == ["principal.missing"]
    with pytest.raises(Refused, match="Project Not Found"):
        gitlab.make_target().issue("x")


def test_a_gitlab_project_token_cannot_mint_tokens(gitlab: GitLabBench) -> None:
    assert gitlab.current.secret is not None
    gitlab.admins = {"good": gitlab.current.secret.reveal()}
    with pytest.raises(Denied):
        gitlab.make_target().issue("x")


def test_a_gitlab_token_under_another_id_is_unfit_and_a_revoked_one_dead(gitlab: GitLabBench) -> None:
    one, other = gitlab.make_target().issue("rotation-1"), gitlab.make_target().issue("rotation-2")
    with pytest.raises(Unfit, match="not as"):
        gitlab.make_target().verify(Credential(name=one.name, secret=other.secret))
    gitlab.make_target().revoke(one, [other])
    with pytest.raises(Rejected):
        gitlab.make_target().verify(one)


def test_a_gitea_token_without_read_user_is_alive_and_unfit(gitea: GiteaBench) -> None:
    id, secret = gitea.gitea.make("billing", "too narrow", ["read:repository"])
    with pytest.raises(Unfit, match="not allowed what it needs"):
        gitea.make_target().verify(Credential(name=str(id), secret=Secret(secret)))


def test_a_gitea_label_that_was_used_is_refused_and_said(gitea: GiteaBench) -> None:
    gitea.make_target().issue("rotation-1")
    with pytest.raises(Refused, match="has been used already"):
        gitea.make_target().issue("rotation-1")
