"""The leak canary stands over every test: what a test prints, and what a command of ours answers to it, must hold no secret.

It knows the secrets where they are made: each `Credential`'s, in this process, and the admins' of the servers that tests start. A value
that is also a public part of a credential (a user, a key's id) is no secret. Output is searched when a test is over, and only where
there is some, so that tens of thousands of engine histories cost nothing. `get` prints a secret on purpose.

Here it is also said which tests share a worker (`home`), which come last (`SPREAD`), and which are measured (`MEASURED`).
"""

from __future__ import annotations

import gc
import importlib
import pkgutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from rotator.model import Credential, Secret
from rotator.testing.canary import Canary
from rotator.testing.servers.jupyterhub import HubServer
from rotator.testing.servers.moto import MotoServer
from rotator.testing.servers.openbao import OpenBaoServer
from rotator.testing.servers.postgres import PostgresServer

pytest_plugins = ["rotator.testing.canary_plugin"]
HERE = Path(__file__).parent
FIELD = ("leaks", "faults")
"""Folders whose tests share the servers of `leaks/field.py`."""
PROOFS = (*FIELD, "proofs", "ci", "bad_plugins", "demo", "verdaccio")
"""Folders that prove the whole: commands, with their processes and servers; or one more server. Their tests are told by `make proofs`."""
STORIES = (
    *("_rotation.py", "_story.py", "_kills.py", "_crash.py"),
    *("test_daemon.py", "test_wakes.py", "test_writing_a_target.py", "test_writing_a_store.py", "test_plugins_check.py"),
    *("test_handbook.py", "test_postgres_rights.py", "test_cron.py", "test_leaked.py", "test_plugins_check_words.py"),
    *("test_plugins_new.py", "test_plugins_libraries.py", "test_store_rekey.py"),
    *("test_server.py", "test_throwaway_servers.py", "test_aws_moto.py", "test_teeth.py", "_everywhere.py"),
)
"""So are those of files elsewhere whose names end so."""
FIRST = (*FIELD, "proofs", "plugins", "stores")
"""Folders that take longest, as their tests begin with servers."""
SPREAD = ("engine",)
"""Folders of many short histories: each test runs wherever there is room, and after all others, so that the workers end together."""
MEASURED = ("engine", "stores", "audit")
"""Folders whose tests reach every branch of what must be whole, also without those marked `no_cover`: thousands of histories that repeat
what the others have reached. To trace any other test would double its cost, and tell nothing more."""
WHOLE = ("rotator.rotate", "rotator.stores", "rotator.ledgers")
"""What must be whole, but for single modules that everybody imports."""
LEAST = 16
"""Characters: what tests call a secret and is shorter (`old`, `first`) stands in sentences too."""
GARBAGE = 50_000
"""Objects made between two looks for garbage."""
MOST = 100_000
"""Credentials of one test that are remembered, the latest ones."""


class Known:
    """The secrets that were made, and what commands printed, since the last look."""

    def __init__(self) -> None:
        self.made: deque[Credential] = deque(maxlen=MOST)
        """Since the last look; nothing is computed while tests run."""
        self.lasting: set[str] = set()
        """Made by fixtures and servers: they outlive a test."""
        self.public: set[str] = set()
        self.said: list[tuple[str, str]] = []

    def command(self, done: subprocess.CompletedProcess[Any]) -> None:
        """Remember what one of our commands printed."""
        words = done.args if isinstance(done.args, list | tuple) else [done.args]
        names = [Path(str(each)).name for each in words[:3]]
        if "rotator" in names and "get" not in words:
            self.said += [(name, _text(text)) for name, text in (("stdout", done.stdout), ("stderr", done.stderr)) if text]

    def taken(self) -> set[str]:
        """The secrets of what was made since the last look."""
        self.public |= {part for each in self.made for part in (each.name, *each.public.values())}
        secrets = {each.secret.reveal() for each in self.made if each.secret is not None}
        self.made.clear()
        return secrets

    def hits(self, sections: list[tuple[str, str]]) -> list[str]:
        """What was found in this output; what a test made is forgotten."""
        said, own = [*sections, *((f"{name} of a command", text) for name, text in self.said)], self.taken()
        self.said.clear()
        if not said:
            return []
        canary = Canary()
        secrets = [each for each in sorted((own | self.lasting) - self.public) if len(each) >= LEAST]
        for number, each in enumerate(secrets, 1):
            canary.register(Secret(each), f"secret {number} of {len(secrets)}")
        return [str(hit) for name, text in said for hit in canary.search(text, name)]


KNOWN = Known()


def _text(printed: str | bytes) -> str:
    return printed if isinstance(printed, str) else printed.decode("utf-8", "replace")


def _after(owner: Any, name: str, tell: Any) -> None:
    """Call `tell` with the object and what came back, after each call of a function."""
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*args: Any, **named: Any) -> Any:
        result = original(*args, **named)
        tell(args[0], result)
        return result

    setattr(owner, name, wrapped)


def _remember() -> None:
    """Credentials are made by the thousand: as little as can be is done for each."""
    original, made = Credential.__init__, KNOWN.made

    def remembered(self: Credential, *args: Any, **named: Any) -> None:
        original(self, *args, **named)
        made.append(self)

    Credential.__init__ = remembered  # type: ignore[method-assign]  # the one place where all secrets come by


def pytest_configure() -> None:
    """Stand where secrets are made."""
    _remember()
    lasting = KNOWN.lasting
    _after(PostgresServer, "__init__", lambda server, _: lasting.add(server.password.reveal()))
    _after(MotoServer, "create_key", lambda _, key: lasting.add(key[1]))
    _after(HubServer, "create_token", lambda _, token: lasting.add(token[1]))
    _after(HubServer, "__init__", lambda server, _: lasting.update(server.tokens.values()))
    _after(OpenBaoServer, "__init__", lambda server, _: lasting.add(server.root.reveal()))
    _after(OpenBaoServer, "token", lambda _, token: lasting.add(token.reveal()))
    _after(subprocess, "run", lambda _, done: KNOWN.command(done))


def folder(path: Path) -> str:
    """Where a test stands, below this file."""
    return path.relative_to(HERE).parts[0]


def home(nodeid: str) -> str:
    """Tests of one home run in one worker, one after another: all that share servers; of the longest folder a file."""
    path = nodeid.partition("::")[0]
    parts = Path(path).parent.parts
    if {*SPREAD} & {*parts}:
        return nodeid
    if "proofs" in parts:
        return path
    return "the field" if {*FIELD} & {*parts} else "/".join(parts)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By homes, in the order in which they were collected; not by `xdist_group`, which pytest-xdist 3.8 does not see in pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class ByHome(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return home(nodeid)

        def _assign_work_unit(self, node: Any) -> None:
            """The first worker takes short histories from the beginning: they compute while the others wait for servers."""
            short = next((each for each in self.workqueue if "::" in each), None)
            if short and node is self.nodes[0]:
                self.workqueue.move_to_end(short, last=False)
            super()._assign_work_unit(node)

    config.option.loadscopereorder = False
    return ByHome(config, log)


def pytest_itemcollected(item: pytest.Item) -> None:
    """What proves the whole is told apart."""
    if {*item.path.relative_to(HERE).parts} & {*PROOFS} or item.path.name.endswith(STORIES):
        item.add_marker("proof")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first; what is spread comes last."""
    items.sort(key=lambda item: _late(folder(item.path)))


def _late(where: str) -> int:
    return len(FIRST) + 1 if where in SPREAD else FIRST.index(where) if where in FIRST else len(FIRST)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """A module that a test imports which is not measured would never be measured: so all are imported before. To trace how thousands of
    tests are collected would tell nothing more."""
    if sys.gettrace() is not None:
        for name in WHOLE:
            for each in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
                importlib.import_module(each.name)
    with paused():
        collected = yield
    gc.freeze()  # thousands of tests and all modules are here to stay: looking at them for garbage is an eighth of the time
    gc.set_threshold(GARBAGE)
    return collected


@contextmanager
def paused() -> Iterator[None]:
    """Trace nothing. Where pytest-cov has begun anew meanwhile, its new tracer stays."""
    here, threads = sys.gettrace(), threading.gettrace()
    if here is None:
        yield
        return
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]  # as threading begins
    try:
        yield
    finally:
        if sys.gettrace() is None:
            sys.settrace(here)
            threading.settrace(threads)  # type: ignore[arg-type]  # see above


def untraced(item: pytest.Item) -> AbstractContextManager[None]:
    """Trace what is measured alone."""
    measured = folder(item.path) in MEASURED and not item.get_closest_marker("no_cover")
    return nullcontext() if measured else paused()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Fixtures are as expensive."""
    with untraced(item):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """What was made up to here was made by fixtures. Again untraced: in a worker pytest-cov's pause wakes its master's coverage."""
    KNOWN.lasting |= KNOWN.taken()
    with untraced(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the test that let a secret out."""
    report = yield
    if call.when == "teardown":
        hits = KNOWN.hits(report.sections)
        if hits:
            report.outcome = "failed"
            report.longrepr = "secrets in the output of this test, or of its commands:\n" + "\n".join(hits)
    return report


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The three servers of `leaks/field.py`, and a relay before each."""
    sys.path.insert(0, str(HERE / "leaks"))
    from field import Servers

    with Servers(tmp_path_factory.mktemp("servers")) as made:
        yield made
