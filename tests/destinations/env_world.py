"""Env files, as tests write them."""

import os

import pytest

from rotator.destination import Place, Secret
from rotator.destinations.env_file import EnvFile, EnvFileSettings
from rotator.testing.destination_contract import runtime

PLACE = Place("billing-env", "", {"API_TOKEN": "secret"})
VALUES = {"API_TOKEN": Secret("new-token")}
root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")


def make(path, *, disk=None, seam=None, **settings):
    return EnvFile(EnvFileSettings(path=str(path), **settings), runtime(), disk=disk, seam=seam)


def publish(path, **settings):
    make(path, **settings).publish(PLACE, VALUES, "v1", 1)


def names_in(path):
    return sorted(each.name for each in path.iterdir())
