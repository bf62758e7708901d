"""The laws of the target contract, as pytest classes to derive from: `SetTargetContract`, `IssueTargetContract`, and what they share.

    from rotator.testing.set_contract import SetTargetContract

    class TestMyTarget(SetTargetContract):
        @pytest.fixture
        def bench(self): ...          # yields a SetBench of yours, fresh for each test

A bench stands between the laws and the real system: it makes targets and asks the system without the plugin. What a bench does not
have (a weak admin, a server that can be stopped), it leaves out: those laws are skipped, and say so. Let pytest explain the asserts:
`pytest.register_assert_rewrite("rotator.testing")` in your `conftest.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import fields, is_dataclass
from types import FunctionType, ModuleType, TracebackType
from typing import Any, ClassVar, Literal, NoReturn

import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from rotator.model import Credential, Secret
from rotator.target import Denied, Level, PortError, Rejected, Target, Unreachable

CANARY = "Xq7-canary-Zt9.kLm3"
LACKS = "this bench has no"
"""How a law is skipped that the bench cannot show. Any other skip of a law says that the target does not declare what it is about."""
AdminIs = Literal["good", "weak", "wrong"]
"""The admin of a target: with exactly the rights it needs; without some of them; with a password that is refused."""


class Bench:
    """What every bench has. `targets` and `credentials` are made anew by each call; nothing is shared but the system."""

    driver: ClassVar[str | None] = None
    """The module that the plugin imports where it is used, and never before. None: this law is skipped."""
    timeout: ClassVar[float] = 2.5
    """Seconds for one call where the system does not answer."""
    current: Credential
    """It works as the test begins."""

    def make_target(self, *, timeout: float = 10.0, fence: int = 1, admin: AdminIs = "good") -> Target[Any, Any]:
        """A fresh instance, with this `Runtime.timeout` and `Runtime.fence`. No such admin: call `lacks`."""
        raise NotImplementedError

    def logs_in(self, credential: Credential) -> bool:
        """Whether it works: asked without the plugin."""
        raise NotImplementedError

    def state(self) -> object:
        """All that a call could change at the system, in a form that compares."""
        raise NotImplementedError

    def remove(self, _credential: Credential) -> None:
        """Make its user or key vanish."""
        self.lacks("remove")

    def paste(self, _fix: str) -> None:
        """Do what a finding's `fix` says, as an operator would."""
        self.lacks("paste")

    def down(self) -> AbstractContextManager[object]:
        """The system is not there."""
        self.lacks("down")

    def frozen(self) -> AbstractContextManager[object]:
        """The system takes connections and never answers."""
        self.lacks("frozen")

    @staticmethod
    def lacks(what: str) -> NoReturn:
        """Say that the bench cannot do that: the law is skipped."""
        pytest.skip(f"{LACKS} {what}")


def raised(call: Callable[[], object]) -> BaseException | None:
    """What a call raises. `NotImplementedError` comes through: a method that is not written gives no answer."""
    try:
        call()
    except NotImplementedError:
        raise
    except BaseException as error:  # noqa: BLE001 - it is looked at, whatever it is
        return error
    return None


def tried(call: Callable[[], object], times: int = 5) -> None:
    """Have this call succeed: with a short deadline a busy machine may take it more than once. Raises what the last one raises."""
    Retrying(stop=stop_after_attempt(times), retry=retry_if_exception_type(Unreachable), reraise=True)(call)


def leaks(error: BaseException, canary: str = CANARY) -> list[str]:
    """Where in an exception a secret can be reached: words, attributes, causes; traceback frames are not entered."""
    return sorted({path for path, text in _texts(error, type(error).__name__, 6, set()) if canary in text})


def _texts(thing: Any, path: str, depth: int, seen: set[int]) -> Iterator[tuple[str, str]]:
    if isinstance(thing, str | bytes | bytearray | memoryview):
        yield path, thing if isinstance(thing, str) else bytes(thing).decode(errors="replace")
        return
    if depth == 0 or id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType | TracebackType | Secret | int | float | None):
        return
    seen.add(id(thing))
    if isinstance(thing, BaseException):
        yield f"repr of {path}", repr(thing)
        yield f"str of {path}", str(thing)
    for name, each in _parts(thing):
        yield from _texts(each, f"{path}.{name}", depth - 1, seen)


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, dict):
        yield from ((repr(key), value) for key, value in thing.items())
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from ((str(number), each) for number, each in enumerate(thing))
    else:
        names = [each.name for each in fields(thing)] if is_dataclass(thing) else dir(thing)
        for name in names:
            if not name.startswith("__") or name in ("__cause__", "__context__", "__notes__", "__dict__"):
                found = _attribute(thing, name)
                if not callable(found):
                    yield name, found


def _attribute(thing: Any, name: str) -> Any:
    try:
        return getattr(thing, name)
    except Exception:  # noqa: BLE001 - a property that cannot be read shows nothing
        return None


_PURE = """
import importlib, sys
module, name, connection_module, connection_name, connection, config, driver = sys.argv[1:]
plugin = getattr(importlib.import_module(module), name)
model = getattr(importlib.import_module(connection_module), connection_name)
from rotator.target import Runtime
def touched(*_):
    raise AssertionError("the constructor or a property reads a secret or the clock")
def listen(event, _):
    if event.startswith("socket."):
        raise AssertionError("the constructor or a property opens a socket")
sys.addaudithook(listen)
target = plugin(model.model_validate_json(connection), plugin.settings.model_validate_json(config), Runtime(reveal=touched, now=touched))
target.can, target.endpoint, target.principals, target.admin
assert driver not in sys.modules, f"{driver} is imported by the constructor or a property"
"""


class TargetContract:
    """The laws of all targets."""

    def other(self, bench: Any) -> Credential:
        """Current's user with a secret that is wrong, and that can be searched for."""
        current: Credential = bench.current
        return Credential(name=current.name, secret=Secret(CANARY), public=current.public)

    def test_current_logs_in_and_the_target_says_who_it_is(self, bench: Any) -> None:
        assert bench.make_target().verify(bench.current)

    def test_a_wrong_secret_is_rejected(self, bench: Any) -> None:
        with pytest.raises(Rejected):
            bench.make_target().verify(self.other(bench))

    def test_a_control_login_tells_a_yes_from_a_no(self, bench: Any) -> None:
        target = bench.make_target()
        assert target.control(bench.current)
        assert isinstance(raised(lambda: target.control(self.other(bench))), Rejected)

    def test_a_wrong_secret_is_confirmed_dead_only_if_it_is_the_secret_that_is_asked_for(self, bench: Any) -> None:
        with pytest.raises(PortError):
            bench.make_target().confirm_dead(bench.current)

    def test_reads_change_nothing(self, bench: Any) -> None:
        target, before = bench.make_target(), bench.state()
        target.check([bench.current])
        target.verify(bench.current)
        raised(lambda: target.verify(self.other(bench)))
        target.clock()
        if target.can.tells_use:
            target.last_used(bench.current)
        target.close()
        assert bench.state() == before

    def test_a_check_without_trouble_finds_nothing_that_fails(self, bench: Any) -> None:
        assert [each for each in bench.make_target().check([bench.current]) if each.level is Level.FAIL] == []

    def test_times_that_it_tells_have_a_zone(self, bench: Any) -> None:
        target = bench.make_target()
        told = [target.clock(), target.last_used(bench.current) if target.can.tells_use else None]
        assert all(each is None or each.tzinfo is not None for each in told)

    def test_close_may_be_called_twice_and_the_next_call_connects_again(self, bench: Any) -> None:
        target = bench.make_target()
        target.check([bench.current])
        target.close()
        target.close()
        assert target.check([bench.current]) == bench.make_target().check([bench.current])

    def test_constructing_is_pure(self, bench: Any) -> None:
        if bench.driver is None:
            bench.lacks("driver")
        target = bench.make_target()
        types = [part for kind in (type(target), type(target.connection)) for part in (kind.__module__, kind.__name__)]
        arguments = [*types, target.connection.model_dump_json(), target.config.model_dump_json(exclude_none=True), bench.driver]
        there = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # a plugin may have come from a folder
        done = subprocess.run([sys.executable, "-c", _PURE, *arguments], capture_output=True, text=True, check=False, timeout=60, env=there)
        assert done.returncode == 0, (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]

    def reads(self, target: Any, bench: Any) -> list[Callable[[], object]]:
        """Calls that need the system."""
        return [lambda: target.verify(bench.current), lambda: target.check([bench.current])]

    def changes(self, target: Any, bench: Any) -> list[Callable[[], object]]:
        """Calls that change it."""
        return [lambda: target.revoke(bench.current, [])]

    def test_a_system_that_is_down_is_unreachable(self, bench: Any) -> None:
        target = bench.make_target(timeout=bench.timeout)
        with bench.down():
            for call in [*self.reads(target, bench), *self.changes(target, bench)]:
                assert isinstance(raised(call), Unreachable)
                target.close()
        assert bench.logs_in(bench.current)

    def test_every_call_to_a_frozen_system_ends_within_its_deadline(self, bench: Any) -> None:
        fresh, used = bench.make_target(timeout=bench.timeout), bench.make_target(timeout=bench.timeout)
        tried(lambda: used.check([bench.current]))
        with bench.frozen():
            for target in (used, fresh):
                for call in [*self.changes(target, bench), *self.reads(target, bench)]:
                    begun = time.monotonic()
                    assert isinstance(raised(call), Unreachable)
                    assert time.monotonic() - begun < bench.timeout + 0.5
                    target.close()

    def test_an_admin_whose_login_is_refused_is_denied(self, bench: Any) -> None:
        target = bench.make_target(admin="wrong")
        for call in [lambda: target.check([bench.current]), *self.changes(target, bench)]:
            assert isinstance(raised(call), Denied)
        assert bench.logs_in(bench.current)

    def test_a_weak_admin_is_found_by_check_and_its_fixes_mend_it(self, bench: Any) -> None:
        found = bench.make_target(admin="weak").check([bench.current])
        failing = [each for each in found if each.level is Level.FAIL]
        assert failing
        assert all(each.fix for each in failing)
        for each in failing:
            bench.paste(each.fix)
        assert [each for each in bench.make_target(admin="weak").check([bench.current]) if each.level is Level.FAIL] == []

    def test_a_weak_admin_is_denied_with_a_fix_and_nothing_happens(self, bench: Any) -> None:
        for number in range(len(self.changes(None, bench))):
            before, target = bench.state(), bench.make_target(admin="weak")
            error = raised(self.changes(target, bench)[number])
            assert isinstance(error, Denied)
            assert error.fix
            target.close()
            assert bench.state() == before

    def test_no_secret_is_in_what_an_exception_carries(self, bench: Any) -> None:
        target, wrong = bench.make_target(), self.other(bench)
        errors = [
            raised(lambda: target.verify(wrong)),
            raised(lambda: target.verify(Credential(name="no-such-name", secret=Secret(CANARY)))),
        ]
        assert all(isinstance(each, PortError) for each in errors)
        assert [leaks(each) for each in errors if each] == [[] for _ in errors]
