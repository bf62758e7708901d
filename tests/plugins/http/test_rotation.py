"""Whole rotations of a JupyterHub token, killed and not."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from rotator.errors import Exit
from rotator.testing.servers.jupyterhub import HubServer
from rotator_http_token import HttpToken
from tests.plugins.rotation import KillAfter, Killed, Rotations


def test_a_rotation_ends_with_one_new_token_and_the_old_one_dead(make: Callable[..., HttpToken], hub: HubServer, user: str) -> None:
    old = hub.create_token(user)
    rotations = Rotations(make)
    rotations.adopt(old)
    assert rotations.run(forced=True, named=True).exit is Exit.DONE
    assert hub.works(old[1]), "the old one lives until grace is over"
    rotations.until_rest()
    current = rotations.record.current
    assert current is not None
    assert current.credential.secret is not None
    assert hub.works(current.credential.secret.reveal())
    assert not hub.works(old[1])
    assert hub.ids(user) == {current.credential.name: rotations.spec.label(current.id)}
    for secret in (old[1], current.credential.secret.reveal(), hub.tokens["admin"]):
        assert secret not in rotations.events


def run_until_killed(rotations: Rotations, effect: str) -> None:
    for _ in range(10):
        rotations.run(forced=not rotations.record.previous, named=True, around=KillAfter(effect))
        time.sleep(0.4)


@pytest.mark.parametrize("effect", ["mint", "revoke"])
def test_a_run_killed_right_after_an_effect_heals(make: Callable[..., HttpToken], hub: HubServer, user: str, effect: str) -> None:
    rotations = Rotations(make)
    rotations.adopt(hub.create_token(user))
    with pytest.raises(Killed):
        run_until_killed(rotations, effect)
    rotations.until_rest()
    current = rotations.record.current
    assert current is not None
    assert list(hub.ids(user)) == [current.credential.name]
