"""Two acts: the runner is killed inside APPLY, and inside ISSUE. The next run heals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from rotator.testing.demo.holding import HoldingRelay
from rotator.testing.demo.stage import BILLING, DATABASE, SPECS, TOKEN, UPLOADER, UPLOADS
from rotator.testing.demo.story import WAITING, Demo, nothing_but, revoke, token_ids
from rotator.testing.demo.traces import lost

MINTS = {UPLOADS: b"Action=CreateAccessKey", TOKEN: b"POST /hub/api/users/billing/tokens"}
"""The request that makes the provider mint."""


@contextmanager
def stuck(demo: Demo) -> Iterator[None]:
    """Nobody can change a role; logins go on (PostgreSQL manual, "Explicit Locking": SHARE conflicts with ROW EXCLUSIVE alone)."""
    server = demo.stage.postgres
    with server.connect(server.superuser, server.password) as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE pg_authid IN SHARE MODE")
        yield


def waits(demo: Demo) -> bool:
    """Whether somebody waits for that lock."""
    return bool(demo.stage.postgres.query("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'pg_authid'::regclass"))


def last_word(demo: Demo, spec: str) -> str:
    """Step and phase of the last event of a spec in the ledger."""
    lines = demo.operator("--json", "audit", "show", "--spec", spec, shown=False).out.splitlines()
    event = json.loads(lines[-1]) if lines else {}
    return f"{event.get('step')} {event.get('phase')}"


def inside_apply(demo: Demo) -> None:
    """The statement is on its way, and its sender is gone."""
    demo.report.act("SIGKILL inside APPLY: PostgreSQL has the statement, and the runner dies before any answer")
    with stuck(demo):
        killed = demo.operator.killed("run", DATABASE, "--force", when=lambda: waits(demo))
        demo.report.check(killed, "all processes of the run were killed while ALTER ROLE waited for a lock")
    demo.report.say("(the lock is gone now: the dead runner's statement may still take effect, and nobody will hear of it)")
    demo.report.check(last_word(demo, DATABASE) == "APPLY intent", "the ledger's last word: APPLY was about to happen")
    demo.untroubled()
    healed(demo)


def inside_issue(demo: Demo) -> None:
    """The providers have minted, and the secrets are lost."""
    demo.report.act("SIGKILL inside ISSUE: the providers have minted, and the runner dies before it gets the secrets")
    keys, tokens = set(demo.stage.aws.keys(UPLOADER)), set(demo.stage.hub.ids(BILLING))
    orphans = {UPLOADS: _kill_at_mint(demo, UPLOADS, demo.stage.aws_relay), TOKEN: _kill_at_mint(demo, TOKEN, demo.stage.hub_relay)}
    more = len(set(demo.stage.aws.keys(UPLOADER)) - keys), len(set(demo.stage.hub.ids(BILLING)) - tokens)
    demo.report.check(more == (1, 1), "now a key and a token live whose secrets no store holds")
    demo.untroubled()
    healed(demo)
    for name, values in orphans.items():
        demo.report.check(not demo.works(name, values), f"{name}: the orphan is gone, and its secret (we listened) is refused")
    nothing_but(demo, keys=keys | {demo.credentials()[UPLOADS]["access_key_id"]}, tokens=token_ids(demo))


def _kill_at_mint(demo: Demo, spec: str, relay: HoldingRelay) -> dict[str, str]:
    """Returns the credential that was on its way."""
    relay.hold(MINTS[spec])
    killed = demo.operator.killed("run", spec, "--force", when=relay.held.is_set)
    values = lost(demo.stage.canary, relay.reply)
    demo.report.check(killed and values, f"{spec}: killed with the new secret on its way")
    demo.report.check(last_word(demo, spec) == "ISSUE intent", "the ledger's last word: ISSUE was about to happen")
    return values


def healed(demo: Demo) -> None:
    """The next run, as cron would begin it, knows nothing of a crash and needs no human."""
    demo.report.say("The next run, the same command as ever:")
    done = demo.run()
    fine = len(done.results) == len(SPECS) and all(each["state"] in WAITING for each in done.results.values())
    demo.fine(done, "it found out what had happened, and finished", also=fine)
    demo.report.check(all(demo.works(each, values) for each, values in demo.credentials().items()), "what the env file shows logs in")
    demo.untroubled()


def crash(demo: Demo) -> None:
    """Both, and then the end of the old ones."""
    old = demo.credentials()
    inside_apply(demo)
    inside_issue(demo)
    demo.report.act("Their grace passes too")
    revoke(demo, demo.operator("--json", "dry-run", shown=False), old)
    nothing_but(demo, keys={demo.credentials()[UPLOADS]["access_key_id"]}, tokens=token_ids(demo))
