"""The plugin against moto, with an admin that has exactly the policy the README prints."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.errors import Denied, Refused, Rejected, Unfit, Unreachable
from rotator.model import Credential, Finding, Level, Secret
from rotator.testing.servers.moto import ACCOUNT, MotoServer
from rotator_aws_iam_key import IamKey
from rotator_aws_iam_key.policy import ACTIONS, SIMULATE, policy, user_arn
from tests.plugins.aws.conftest import credential

Make = Callable[..., IamKey]


def test_a_key_lives_from_issue_to_revoke_with_exactly_the_printed_policy(target: IamKey, moto: MotoServer, user: str) -> None:
    old, new = target.issue("rotation-1"), target.issue("rotation-2")
    assert target.verify(new) == user_arn(ACCOUNT, user)
    target.disable(old, [new])
    target.disable(old, [new])
    with pytest.raises(Rejected):
        target.verify(old)
    target.enable(old)
    target.enable(old)
    assert target.verify(old) == user_arn(ACCOUNT, user)
    target.disable(old, [new])
    target.revoke(old, [new])
    target.revoke(old, [new])
    assert "InvalidClientTokenId" in target.confirm_dead(old)
    assert moto.keys(user) == {new.name: "Active"}


@pytest.mark.parametrize("missing", ACTIONS)
def test_each_missing_action_is_denied_by_name_with_its_statement(make: Make, moto: MotoServer, user: str, missing: str) -> None:
    key = credential(moto.create_key(user))
    rights = policy(ACCOUNT, user)
    rights["Statement"][0]["Action"].remove(missing)
    target = make(rights)
    calls: dict[str, Callable[[], object]] = {
        "iam:CreateAccessKey": lambda: target.issue("x"),
        "iam:DeleteAccessKey": lambda: target.revoke(key, []),
        "iam:GetAccessKeyLastUsed": lambda: target.last_used(key),
        "iam:ListAccessKeys": target.live,
        "iam:UpdateAccessKey": lambda: target.disable(key, []),
    }
    with pytest.raises(Denied) as denied:
        calls.pop(missing)()
    assert denied.value.what.startswith(missing)
    assert denied.value.code == "AccessDenied"
    assert f'"Action": ["{missing}"]' in str(denied.value.fix)
    assert user_arn(ACCOUNT, user) in str(denied.value.fix)
    calls.pop("iam:ListAccessKeys", None)
    for call in [
        calls[each] for each in sorted(calls, reverse=True) if each != "iam:GetAccessKeyLastUsed" or missing != "iam:ListAccessKeys"
    ]:
        call()


@pytest.mark.parametrize("missing", ACTIONS)
def test_check_finds_each_missing_action_without_using_it(make: Make, moto: MotoServer, user: str, admin_name: str, missing: str) -> None:
    rights = policy(ACCOUNT, user, user_arn(ACCOUNT, admin_name))
    rights["Statement"][0]["Action"].remove(missing)
    fails = [each for each in make(rights).check([]) if each.level is Level.FAIL]
    assert {each.code for each in fails} == {"privilege.missing"}
    assert f'"Action": ["{missing}"]' in str(fails[-1].fix)


def test_the_statement_that_check_prints_mends_what_it_found(make: Make, moto: MotoServer, user: str, admin_name: str) -> None:
    import json

    rights = policy(ACCOUNT, user, user_arn(ACCOUNT, admin_name))
    rights["Statement"][0]["Action"].remove("iam:UpdateAccessKey")
    target = make(rights)
    fix = next(each.fix for each in target.check([]) if each.code == "privilege.missing")
    rights["Statement"].append(json.loads(str(fix)))
    moto.allow(admin_name, rights)
    assert all(each.level is Level.OK for each in target.check([]))


def test_without_a_simulation_privileges_stay_unproven(make: Make, user: str) -> None:
    warned = [each for each in make(policy(ACCOUNT, user)).check([]) if each.level is Level.WARN]
    assert [each.code for each in warned] == ["privilege.unproven"]
    assert SIMULATE in str(warned[0].fix)


def test_check_changes_nothing_and_is_green_on_a_fresh_user(target: IamKey, moto: MotoServer, user: str) -> None:
    findings = target.check([])
    assert {each.level for each in findings} == {Level.OK}
    assert moto.keys(user) == {}


def of(target: IamKey, code: str, *check: Any) -> list[Finding]:
    return [each for each in target.check(*check) if each.code == code]


@pytest.mark.parametrize(("count", "codes"), [(1, ["stray"]), (2, ["stray", "stray", "slot.none"])])
def test_before_adoption_check_prints_nothing_that_ends_the_key_that_consumers_use(
    target: IamKey, moto: MotoServer, user: str, count: int, codes: list[str]
) -> None:
    keys = [moto.create_key(user)[0] for _ in range(count)]
    found = [each for each in target.check([]) if each.level is not Level.OK]
    assert [each.code for each in found] == codes
    assert all(key in " ".join(each.text for each in found if each.code == code) for key in keys for code in codes)
    assert [each for each in found if "delete-access-key" in str(each.fix) or "none of ours" in each.text] == []
    assert all("`rotator adopt NAME --from …`" in str(each.fix) and "`--retire ID`" in str(each.fix) for each in found)


def test_check_tells_a_stranger_from_an_accepted_key_and_ours(target: IamKey, moto: MotoServer, user: str) -> None:
    ours, key = credential(moto.create_key(user)), credential(moto.create_key(user))
    (stray,) = of(target, "stray", [ours])
    assert f"{key.name} (Active" in stray.text
    assert "is none of ours" in stray.text
    assert not of(target, "stray", [ours], [key.name])
    assert not of(target, "stray", [ours, key])


def test_what_removes_a_stranger_begins_with_whose_it_may_be_and_can_be_pasted(target: IamKey, moto: MotoServer, user: str) -> None:
    ours, key = credential(moto.create_key(user)), credential(moto.create_key(user))
    for found in (*of(target, "stray", [ours]), *of(target, "slot.none", [ours])):
        first, command = str(found.fix).split("\n")
        assert first.startswith("# first find out who uses it")
        assert f"`rotator resolve NAME --revoke {key.name}`" in first
        assert f"`--retire {key.name}`" in first
        assert command == f"aws iam delete-access-key --user-name {user} --access-key-id {key.name}"


def test_check_fails_where_a_stranger_holds_the_last_slot(target: IamKey, moto: MotoServer, user: str) -> None:
    ours, other = credential(moto.create_key(user)), credential(moto.create_key(user))
    failed = [each for each in target.check([ours]) if each.level is Level.FAIL]
    assert [each.code for each in failed] == ["slot.none"]
    assert f"{other.name} is none of ours" in failed[0].text
    assert not [each for each in target.check([ours, other]) if each.level is not Level.OK]


def test_a_key_that_a_human_accepted_is_not_called_none_of_ours_where_it_holds_the_last_slot(
    target: IamKey, moto: MotoServer, user: str
) -> None:
    ours, other = credential(moto.create_key(user)), credential(moto.create_key(user))
    (found,) = of(target, "slot.none", [ours], [other.name])
    assert f"{other.name} is accepted as another's" in found.text
    assert "none of ours" not in found.text
    first, command = str(found.fix).split("\n")
    assert first.startswith(f"# first find out that nobody uses {other.name}")
    assert command.endswith(other.name)


def test_a_third_key_is_refused_and_nothing_is_minted(target: IamKey, moto: MotoServer, user: str) -> None:
    moto.create_key(user), moto.create_key(user)
    before = moto.keys(user)
    with pytest.raises(Refused, match="two keys already"):
        target.issue("rotation-3")
    assert moto.keys(user) == before


def test_check_says_how_to_make_a_user_that_is_missing(make: Make, user: str, admin_name: str) -> None:
    target = make(policy(ACCOUNT, "nobody", user_arn(ACCOUNT, admin_name)), target={"username": "nobody"})
    failed = [each for each in target.check([]) if each.level is Level.FAIL]
    assert [(each.code, each.fix) for each in failed] == [("principal.missing", "aws iam create-user --user-name nobody")]
    with pytest.raises(Refused, match="no such user"):
        target.live()
    with pytest.raises(Refused, match="no such user"):
        target.issue("x")


@pytest.mark.parametrize("path", ["/apps/orders/", "/a;b'$(c)/"])
def test_the_command_that_makes_a_missing_user_makes_it_at_its_path(make: Make, admin_name: str, path: str) -> None:
    rights = policy(ACCOUNT, "*", user_arn(ACCOUNT, admin_name))  # of a user that is missing no path is known
    target = make(rights, target={"username": "nobody", "path": path})
    (failed,) = of(target, "principal.missing", [])
    assert shlex.split(str(failed.fix)) == ["aws", "iam", "create-user", "--user-name", "nobody", "--path", path]


def test_check_fails_where_the_admin_is_the_user_itself(make: Make, user: str, admin_name: str) -> None:
    rights = policy(ACCOUNT, admin_name, user_arn(ACCOUNT, admin_name))
    assert "self" in {each.code for each in make(rights, target={"username": admin_name}).check([])}


def test_check_fails_where_the_admin_belongs_to_another_account(make: Make) -> None:
    failed = [each for each in make(account="999999999999").check([]) if each.level is Level.FAIL]
    assert failed[0].code == "login"
    assert "999999999999" in failed[0].text


def test_an_admin_of_another_account_changes_nothing_and_proves_no_death(make: Make, moto: MotoServer, user: str) -> None:
    key = credential(moto.create_key(user))
    target, alone = make(account="999999999999"), Credential(name="AKIAOFTHEACCOUNT9999", secret=None)
    calls: list[Callable[[], object]] = [
        lambda: target.issue("x"), target.live, lambda: target.confirm_dead(alone), lambda: target.last_used(key),
        lambda: target.disable(key, []), lambda: target.enable(key), lambda: target.revoke(key, []), lambda: target.revoke(alone, []),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(Denied, match=f"account {ACCOUNT}, not 999999999999"):
            call()
    assert moto.keys(user) == {key.name: "Active"}


def test_an_admin_of_another_account_is_the_one_thing_that_check_finds(make: Make) -> None:
    found = make(account="999999999999").check([])
    assert [(each.level, each.code) for each in found] == [(Level.FAIL, "login")]


def test_the_key_of_another_user_is_unfit(target: IamKey, moto: MotoServer, user: str) -> None:
    moto.create_user(f"other-{user}")
    key = credential(moto.create_key(f"other-{user}"))
    with pytest.raises(Unfit, match=f"user/other-{user}"):
        target.verify(key)


def test_a_key_of_another_account_is_unfit(make: Make, moto: MotoServer, user: str) -> None:
    with pytest.raises(Unfit, match="account 999999999999"):
        make(account="999999999999").verify(credential(moto.create_key(user)))


def test_a_user_with_a_path_is_recognised_and_named_in_full_in_the_policy(make: Make, moto: MotoServer, user: str) -> None:
    name = f"deep-{user}"
    arn = moto.create_user(name, "/apps/orders/")
    target = make(policy(ACCOUNT, name, path="/apps/orders/"), target={"username": name, "path": "/apps/orders/"})
    assert target.verify(target.issue("x")) == arn


def test_a_wrong_secret_is_rejected_but_proves_no_death(target: IamKey, moto: MotoServer, user: str) -> None:
    key = moto.create_key(user)
    wrong = Credential(name=key[0], secret=Secret("x" * 40))
    with pytest.raises(Rejected) as rejected:
        target.verify(wrong)
    assert rejected.value.code == "SignatureDoesNotMatch"
    with pytest.raises(Unfit, match="still listed"):
        target.confirm_dead(wrong)


def test_an_unlisted_key_whose_signature_is_still_compared_is_not_confirmed_dead(make: Make, moto: MotoServer, user: str) -> None:
    other = f"other-{user}"
    moto.create_user(other)
    moved = Credential(name=moto.create_key(other)[0], secret=Secret("x" * 40))
    with pytest.raises(Unreachable, match="may be alive"):
        make().confirm_dead(moved)


def test_an_inactive_key_is_not_confirmed_dead(target: IamKey, moto: MotoServer, user: str) -> None:
    key = credential(moto.create_key(user))
    target.disable(key, [])
    with pytest.raises(Unfit, match="still listed"):
        target.confirm_dead(key)


def test_a_key_known_by_its_id_alone_can_be_listed_used_and_revoked(target: IamKey, moto: MotoServer, user: str) -> None:
    alone = Credential(name=moto.create_key(user)[0], secret=None)
    assert target.last_used(alone) is None
    target.disable(alone, [])
    target.revoke(alone, [])
    assert target.confirm_dead(alone) == "no longer listed"
    with pytest.raises(Unreachable, match="id alone"):
        target.verify(alone)


def test_what_must_go_on_working_is_neither_disabled_nor_deleted(target: IamKey, moto: MotoServer, user: str) -> None:
    key = credential(moto.create_key(user))
    target.disable(key, [key])
    target.revoke(key, [key])
    assert moto.keys(user) == {key.name: "Active"}


def test_what_is_gone_is_success_for_disable_enable_revoke_and_never_used(target: IamKey) -> None:
    gone = Credential(name="AKIAXXXXXXXXXXXXXXXX", secret=None)
    target.disable(gone, [])
    target.enable(gone)
    target.revoke(gone, [])
    assert target.last_used(gone) is None


def test_use_is_told_by_key_and_by_the_list(target: IamKey, moto: MotoServer, user: str) -> None:
    used, unused = credential(moto.create_key(user)), credential(moto.create_key(user))
    assert target.last_used(used) is None
    target.verify(used)
    told = target.last_used(used)
    assert told is not None
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)
    live = {each.id: each for each in target.live()}
    assert live.keys() == {used.name, unused.name}
    assert live[used.name].last_used == told
    assert live[unused.name].last_used is None
    assert live[used.name].created is not None
    assert live[used.name].label is None


def test_the_clock_is_that_of_the_answer(target: IamKey) -> None:
    told = target.clock()
    assert told is not None
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)


def test_a_dead_admin_key_is_denied_everywhere(target: IamKey, moto: MotoServer, admin_name: str) -> None:
    for key in moto.keys(admin_name):
        moto.root.delete_access_key(UserName=admin_name, AccessKeyId=key)
    for call in (lambda: target.check([]), lambda: target.issue("x"), target.live, target.clock):
        with pytest.raises(Denied, match="admin's own key"):
            call()


def test_a_call_relies_on_nothing_an_earlier_one_left(make: Make, moto: MotoServer, user: str) -> None:
    key = make().issue("x")
    fresh = make()
    fresh.close()
    fresh.close()
    assert fresh.verify(key)
    fresh.close()
    fresh.revoke(key, [])
    assert moto.keys(user) == {}


def test_no_log_at_any_level_holds_a_secret(target: IamKey, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        key = target.issue("x")
        target.verify(key)
    assert key.secret is not None
    assert key.secret.reveal() not in caplog.text
    assert target.runtime.reveal(None).reveal() not in caplog.text  # type: ignore[arg-type]  # the bench reveals one secret, whatever is asked
