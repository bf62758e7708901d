"""Whole rotations of an IAM key, killed and not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rotator.errors import Exit
from rotator.model import Credential, Secret
from rotator.rotate import Adopt, Resolve
from rotator.testing.servers.moto import MotoServer
from rotator_aws_iam_key import IamKey
from tests.plugins.rotation import KillAfter, Killed, Rotations


def test_a_rotation_ends_with_one_new_key_and_the_old_one_deleted(make: Callable[..., IamKey], moto: MotoServer, user: str) -> None:
    old = moto.create_key(user)
    rotations = Rotations(make)
    rotations.adopt(old)
    assert rotations.run(forced=True, named=True).exit is Exit.DONE
    assert set(moto.keys(user).values()) == {"Active"}
    assert len(moto.keys(user)) == 2
    rotations.until_rest()
    current = rotations.record.current
    assert current is not None
    assert moto.keys(user) == {current.credential.name: "Active"}
    assert old[0] != current.credential.name
    assert old[1] not in rotations.events
    assert current.credential.secret is not None
    assert current.credential.secret.reveal() not in rotations.events


def test_a_run_killed_between_issue_and_its_record_leaves_no_orphan(make: Callable[..., IamKey], moto: MotoServer, user: str) -> None:
    rotations = Rotations(make)
    rotations.adopt(moto.create_key(user))
    with pytest.raises(Killed):
        rotations.run(forced=True, named=True, around=KillAfter("mint"))
    assert len(moto.keys(user)) == 2, "the orphan holds the second slot"
    rotations.until_rest()
    current = rotations.record.current
    assert current is not None
    assert moto.keys(user) == {current.credential.name: "Active"}


def test_the_two_ways_out_that_check_names_for_a_stranger_in_the_second_slot_lead_out(
    make: Callable[..., IamKey], moto: MotoServer, user: str
) -> None:
    rotations = Rotations(make)
    current, other = moto.create_key(user), moto.create_key(user)
    adopted = Credential(name=current[0], secret=Secret(current[1]))
    refused = rotations.run(Adopt(credential=adopted))
    assert (refused.exit is Exit.DONE, f"`--retire {other[0]}`" in str(refused.fix)) == (False, True)
    assert rotations.run(Adopt(credential=adopted, retire=other[0])).exit is Exit.DONE
    rotations.until_rest()
    assert moto.keys(user) == {current[0]: "Active"}
    stranger = moto.create_key(user)[0]
    assert rotations.run(Resolve(None, stranger)).exit is Exit.DONE
    assert moto.keys(user) == {current[0]: "Active"}
