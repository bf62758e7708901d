"""The bare client: the same admin statements and the same logins as one of our rotations, by psycopg in a loop, and nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from rotator.cli.runs import make_job
from rotator.load import Loaded
from rotator.model import Secret
from rotator.rotate import RunResult
from rotator.spec import RotationSpec
from rotator.state import Lock, StateDir
from rotator.testing.bench.site import Site
from rotator.worker import WorkerSeam, execute
from rotator_postgres import login, session


@dataclass(frozen=True)
class Act:
    """One thing that a rotation asks of the server: a login (`which` password: admin, current, new; refused or not), or a statement."""

    kind: str
    which: str = ""
    text: str = ""
    values: tuple[str, ...] = ()


class Recorder:
    """Watches the plugin during one rotation."""

    def __init__(self, site: Site) -> None:
        self.site, self.acts = site, list[Act]()
        self.seen: dict[str, str] = {}

    def record(self, loaded: Loaded, spec: RotationSpec) -> list[Act]:
        """What one rotation of this spec does."""
        real = login.log_in, session.Session.run, session.Session.rows
        self.seen = {self.site.server.password.reveal(): "admin", self.site.passwords[spec.name].reveal(): "current"}

        def log_in(one: login.Login, until: float) -> Any:
            answer = real[0](one, until)
            which = self.seen.setdefault(one.password.reveal(), "new")
            refused = isinstance(answer, login.NoLogin)
            self.acts.append(Act("refused" if refused else "login", which))
            return answer

        def run(one: session.Session, statements: str, until: float) -> Any:
            self.acts.append(Act("run", text=statements))
            return real[1](one, statements, until)

        def rows(one: session.Session, query: str, values: Sequence[str], until: float) -> Any:
            self.acts.append(Act("rows", text=query, values=tuple(values)))
            return real[2](one, query, values, until)

        patched = [(module, "log_in") for module in _users_of(real[0])]
        try:
            for module, name in patched:
                setattr(module, name, log_in)
            session.Session.run, session.Session.rows = run, rows  # type: ignore[method-assign, assignment]  # only while we watch
            result = in_process(loaded, spec)
            assert result.exit == 0, result
        finally:
            for module, name in patched:
                setattr(module, name, real[0])
            session.Session.run, session.Session.rows = real[1], real[2]  # type: ignore[method-assign]  # as it was
        return self.acts


def _users_of(function: Any) -> list[Any]:
    """Modules that hold this function under its name."""
    import sys

    return [each for name, each in sys.modules.items() if name.startswith("rotator_postgres") and getattr(each, "log_in", None) is function]


def in_process(loaded: Loaded, spec: RotationSpec) -> RunResult:
    """One forced rotation in this process."""
    job = make_job(loaded, spec, named=True, forced=True)
    taken: list[Lock | None] = []
    take = StateDir.take

    def remembered(state: StateDir, chain: str) -> Lock | None:
        taken.append(take(state, chain))
        return taken[-1]

    StateDir.take = remembered  # type: ignore[method-assign, assignment]  # else the lock would stay with this process
    seam = WorkerSeam()
    try:
        return execute(job, replace(job.order, emit=lambda _events: None), seam=seam)
    finally:
        seam.disarm()
        StateDir.take = take  # type: ignore[method-assign]  # as it was
        for each in taken:
            if each:
                each.release()


class Bare:
    """Replays the acts for other users."""

    def __init__(self, host: str, port: int, admin: tuple[str, Secret], acts: Sequence[Act], sample: str) -> None:
        self.where = {"host": host, "port": port, "dbname": "postgres", "sslmode": "disable"}
        self.admin, self.acts, self.sample = admin, acts, sample

    def rotate(self, user: str, current: Secret, new: Secret) -> float:
        """Seconds for one rotation's worth of statements and logins."""
        begun = time.perf_counter()
        secrets = {"current": current, "new": new}
        admin: psycopg.Connection[Any] | None = None
        for act in self.acts:
            if act.which == "admin":
                admin = self._connect(self.admin[0], self.admin[1])
            elif act.kind == "login":
                self._connect(user, secrets[act.which]).close()
            elif act.kind == "refused":
                self._refused(user, secrets[act.which])
            else:
                assert admin is not None
                self._say(admin, act, user, new)
        if admin:
            admin.close()
        return time.perf_counter() - begun

    def _connect(self, user: str, password: Secret) -> psycopg.Connection[Any]:
        return psycopg.connect(user=user, password=password.reveal(), autocommit=True, **self.where)  # type: ignore[arg-type]  # a port is a number

    def _refused(self, user: str, password: Secret) -> None:
        try:
            self._connect(user, password)
        except psycopg.OperationalError:
            return
        raise AssertionError("the old password still works")

    def _say(self, admin: psycopg.Connection[Any], act: Act, user: str, new: Secret) -> None:
        text = act.text.replace(self.sample, user)
        if "SCRAM-SHA-256" in text:
            verifier = admin.pgconn.encrypt_password(new.reveal().encode(), user.encode(), b"scram-sha-256").decode()
            text = re.sub(r"SCRAM-SHA-256\$[^']+", lambda _match: verifier, text)
        if act.kind == "rows":
            wrapped = f"SELECT coalesce(json_agg(q), '[]') FROM ({text}) q"
            admin.pgconn.exec_params(wrapped.encode(), [each.replace(self.sample, user).encode() for each in act.values])
        else:
            admin.pgconn.exec_(text.encode())
