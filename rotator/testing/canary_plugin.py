"""A pytest plugin: the fixture `canary`, and a look through everything that a test printed or logged. Switch it on in a conftest:

    pytest_plugins = ["rotator.testing.canary_plugin"]

One canary serves the session. When a test is over (its fixtures torn down), all its captured output is searched for every secret known
by then; a hit fails the test, and names the secret by its label. With `-s` nothing is captured, so nothing is searched.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from rotator.testing.canary import Canary

_CANARY = pytest.StashKey[Canary]()


def pytest_configure(config: pytest.Config) -> None:
    """One canary for the session."""
    config.stash[_CANARY] = Canary()


@pytest.fixture(scope="session")
def canary(pytestconfig: pytest.Config) -> Canary:
    """The session's canary: `canary.make()` gives a secret that may turn up nowhere."""
    return pytestconfig.stash[_CANARY]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the test that let a secret out."""
    report = yield
    if call.when == "teardown":
        known = item.config.stash[_CANARY]
        hits = [hit for title, text in report.sections for hit in known.search(text, title)]
        if hits:
            report.outcome = "failed"
            report.longrepr = "secrets in the output of this test:\n" + "\n".join(map(str, hits))
    return report
