"""The process of `rotator plugins check`: contract tests of one target type, told law by law. `python -m rotator.testing.check FD`.

Stdin is one request, a JSON object; what happens goes to the descriptor FD as JSON lines. Before each law the target is asked for its
endpoint, which is pure: where that was not named by whoever asked, or a spec rotates the same users there, nothing is tried. No text
that holds a secret goes out: every `Secret` that is made in this process is searched for, in all encodings of `Canary`.
"""

from __future__ import annotations

import faulthandler
import inspect
import json
import os
import signal
import socket
import sys
from collections.abc import Generator, Sequence
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, TextIO
from urllib.parse import urlsplit

import pytest

from rotator.model import Secret
from rotator.settings import is_loopback
from rotator.testing.canary import LEAST, Canary
from rotator.testing.seen import seen

_PORTS = {"https": 443, "http": 80}
LIMIT = 60.0
"""Seconds for one law; a process that takes `GRACE` longer is ended."""
GRACE = 5.0
MOST = 300
"""Characters of what is told about a law."""
Report = pytest.TestReport
Call = pytest.CallInfo[None]
CONTRACTS = tuple(f"rotator.testing.{each}_contract" for each in ("target", "set", "issue", "swap"))


class TooLate(BaseException):
    """Raised in the middle of a law that does not end: no plugin takes it for one of its own errors."""


class Told:
    """Where it is told what happens."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._secrets: set[str] = set()
        self._watch()

    def _watch(self) -> None:
        """Remember each secret that is made from now on."""
        made, original = self._secrets, Secret.__init__

        @wraps(original)
        def remembered(self: Secret, value: str) -> None:
            original(self, value)
            made.add(value)

        Secret.__init__ = remembered  # type: ignore[method-assign]  # the one place where all secrets come by

    def line(self, event: str, **fields: object) -> None:
        """Tell it now: the process may end at any time."""
        self._out.write(json.dumps({"event": event, **fields}) + "\n")
        self._out.flush()

    def harmless(self, text: str) -> str:
        """The text on one line, cut short; or that it is not shown."""
        canary = Canary()
        for number, each in enumerate(sorted(self._secrets)):
            if len(each) >= LEAST:
                canary.register(Secret(each), str(number))
        short = [each for each in self._secrets if each.strip() and len(each) < LEAST]
        if canary.search(text, "") or any(each in text for each in short):
            return "what it says holds a secret, and is not shown"
        return " ".join(text.split())[:MOST]


class Laws:
    """A pytest plugin: lets the laws of one target type through, and tells of each."""

    def __init__(self, request: dict[str, Any], told: Told) -> None:
        self.request, self.told = request, told
        self.names: dict[str, tuple[str, object]] = {}
        """Test name -> the law's name, and its code in the contract."""

    # ---- which

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep laws of contracts alone."""
        contracts = _contracts(self.request["type"])
        classes = [each for item in items if (each := getattr(item, "cls", None)) and issubclass(each, contracts[1])]
        self._know(contracts if classes else ())
        ours = [item for item in items if getattr(item, "cls", None) in classes and self._is_law(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in ours])
        items[:] = ours

    def _know(self, contracts: Sequence[type]) -> None:
        """Every law of these contracts, whether the classes still have it or not."""
        for contract in contracts:
            kind = contract.__name__.removesuffix("Contract").removesuffix("Target").lower() or "target"
            found = [name for name in vars(contract) if name.startswith("test_")]
            self.names |= {name: (f"{kind} {number}", vars(contract)[name].__code__) for number, name in enumerate(found, 1)}
        for name, (law, _) in self.names.items():
            self.told.line("law", law=law, sentence=name.removeprefix("test_").replace("_", " "))

    def _is_law(self, item: pytest.Item) -> bool:
        """Whether it is a law as the contract has it; a test of the author's own under the name of one is told, and never run."""
        law, code = self.names.get(_plain(item), ("", None))
        if not law or inspect.unwrap(getattr(item, "function")).__code__ is code:  # noqa: B009 - a plain Item has none, a test has
            return bool(law)
        self.told.line("end", law=law, state="not shown", why="the tests have a test of their own in its place")
        return False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tests that cannot be read tell nothing."""
        if report.failed:
            why = self.told.harmless(str(report.longrepr).splitlines()[-1] if str(report.longrepr) else "")
            self._refuse(f"{report.nodeid or self.request['tests']} cannot be read: {why}", "run pytest on it: it says more")

    def pytest_collection_finish(self) -> None:
        """No law is no proof."""
        if not self.names:
            fix = "derive one from SetTargetContract, IssueTargetContract or SwapTargetContract, as its family is, and give its --tests"
            self._refuse(f"there is no class of contract tests in {self.request['tests']}", fix)

    # ---- each

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Tell that it begins; end what does not end."""
        self.told.line("begin", law=self.names[_plain(item)][0])
        signal.signal(signal.SIGALRM, _late)
        signal.setitimer(signal.ITIMER_REAL, LIMIT, LIMIT)
        faulthandler.dump_traceback_later(LIMIT + GRACE, exit=True, file=2)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """The door: behind it the law acts on the target."""
        self._admit(getattr(item, "funcargs", {})["bench"].make_target())
        return (yield)

    def _admit(self, target: Any) -> None:
        from rotator.load.plugins import target_class

        if not isinstance(target, target_class(self.request["type"])):
            self._refuse(
                f"these tests make a {type(target).__name__}, which is not of type `{self.request['type']}`",
                "name its own: --tests PATH::CLASS",
            )
        endpoint, principals = target.endpoint, list(target.principals)
        for each in self.request["in_use"]:
            if {*each["principals"]} & {*principals} and may_be_one(each["endpoint"], endpoint):
                known = "" if each["endpoint"] == endpoint else f", which may be {each['endpoint']}"
                self._refuse(
                    f"spec {each['spec']} rotates {', '.join(principals)} at {endpoint}{known}",
                    "let the bench name a system that nobody uses",
                )
        if not {endpoint, host(endpoint)} & {*self.request["may_change"]}:
            self._refuse(
                f"the laws set, disable and revoke credentials of {', '.join(principals)} at {endpoint}",
                f"if that system may be changed, say so: --may-change {endpoint}",
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Call) -> Generator[None, Report, Report]:
        """Tell how it ended, once."""
        report = yield
        if call.when == "call" or not report.passed:
            state, why = self._state(report, call)
            self.told.line("end", law=self.names[_plain(item)][0], state=state, why=why and self.told.harmless(why))
        return report

    def _state(self, report: Report, call: Call) -> tuple[str, str | None]:
        if report.passed:
            return "kept", None
        if hasattr(report, "wasxfail"):
            return "broken", f"expected to fail: {report.wasxfail}"
        if isinstance(report.longrepr, tuple):
            return _skipped(call.when, *report.longrepr)
        assert call.excinfo is not None
        error = call.excinfo.value
        if isinstance(error, NotImplementedError):
            return "broken", str(error)
        message = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
        why = seen(error, str(call.excinfo.traceback[-1].statement), message)
        if call.when == "setup":  # no law was begun: a system that is not there says nothing about the target
            return "not shown", f"the bench was not set up: {why}"
        return "broken", why

    def _refuse(self, what: str, fix: str) -> NoReturn:
        self.told.line("refused", what=self.told.harmless(what), fix=self.told.harmless(fix))
        pytest.exit("refused", returncode=2)


def _contracts(type: str) -> tuple[type, type]:
    """Every target's, and its family's. Imported late: the author's own conftest may first ask pytest to explain what fails in them."""
    from rotator.load.plugins import target_class
    from rotator.target import SetTarget, SwapTarget
    from rotator.testing.issue_contract import IssueTargetContract
    from rotator.testing.set_contract import SetTargetContract
    from rotator.testing.swap_contract import SwapTargetContract
    from rotator.testing.target_contract import TargetContract

    target = target_class(type)
    if issubclass(target, SetTarget):
        return TargetContract, SetTargetContract
    return TargetContract, SwapTargetContract if issubclass(target, SwapTarget) else IssueTargetContract


def _plain(item: pytest.Item) -> str:
    """A test's name without its parameters."""
    return getattr(item, "originalname", None) or item.name


def _skipped(when: str, path: str, _line: int, reason: str) -> tuple[str, str]:
    """Skipped by the law itself: the target does not declare it. Skipped by the bench, a fixture or a mark: it was not shown."""
    from rotator.testing.target_contract import LACKS

    said = reason.removeprefix("Skipped: ")
    ours = when == "call" and Path(path).name in {f"{each.rpartition('.')[2]}.py" for each in CONTRACTS}
    return "not declared" if ours and not said.startswith(LACKS) else "not shown", said


def _late(_number: int, _frame: object) -> NoReturn:
    raise TooLate(f"the law did not end within {LIMIT:.0f} s")


def host(endpoint: str) -> str:
    """The host of an endpoint: of a URL, of `host:port`, of a socket's directory and port."""
    if endpoint.startswith("/"):
        return endpoint.rpartition(":")[0] or endpoint
    return urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").hostname or endpoint


def may_be_one(one: str, other: str) -> bool:
    """Whether two endpoints may be one system: the same words, or the same port of hosts that share an address."""
    if one == other:
        return True
    port = _port(one)
    return port is not None and port == _port(other) and bool(_addresses(host(one)) & _addresses(host(other)))


def _port(endpoint: str) -> int | None:
    """The port of an endpoint, also where its scheme says it; None where it has none."""
    parts = urlsplit(endpoint if "://" in endpoint else f"//host:{endpoint.rpartition(':')[2]}")
    try:
        return parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None


def _addresses(name: str) -> set[str]:
    """All addresses of a host, those of this machine as one; its own name too, where it cannot be resolved."""
    if name.startswith("/") or is_loopback(name):
        return {"this machine"}
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(name, None)}
    except OSError:
        found = set()
    return {name.casefold(), *("this machine" if is_loopback(each) else each for each in found)}


def main(request: dict[str, Any], out: TextIO) -> int:
    """Try the laws. What pytest prints is nobody's."""
    from rotator.load import plugins

    told = Told(out)
    plugins.use(request["plugin_dirs"])
    pytest.register_assert_rewrite(*CONTRACTS)
    alone = ["-n0"] if find_spec("xdist") else []
    quiet = ["-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    code = int(pytest.main([request["tests"], *quiet, *alone, "--maxfail=0", "-k", "", "-m", ""], plugins=[Laws(request, told)]))
    told.line("done")
    return code


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as lines:
        sys.exit(main(given, lines))
