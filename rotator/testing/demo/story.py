"""The acts of the demo, in their order. Each says what it does, and checks what came out."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rotator.testing.demo.consumer import Consumer, Logins
from rotator.testing.demo.operator import Done, Operator
from rotator.testing.demo.report import Report
from rotator.testing.demo.stage import BILLING, DATABASE, SPECS, TOKEN, UPLOADER, UPLOADS, USERS, Stage, write_files

KILLS = 3
WAITING = ("grace", "at rest")
"""How a run ends that has done what it could."""


@dataclass
class Demo:
    """All that an act needs."""

    stage: Stage
    operator: Operator
    report: Report
    consumer: Consumer
    logins: Logins

    def fine(self, done: Done, text: str, *, also: object = True) -> bool:
        """A check: the command ended with 0, and `also`."""
        return self.report.check(done.code == 0 and also, text, done.why)

    def run(self, *arguments: str) -> Done:
        """`rotator run`, with one line for each spec."""
        done = self.operator("--json", "run", *arguments)
        for name, each in done.results.items():
            self.report.say(f"    {name}: {each['message']}")
        return done

    def works(self, what: str, values: dict[str, str]) -> bool:
        """A fresh login with a credential, written as `rotator adopt` takes it."""
        if what == DATABASE:
            return self.logins.database(values["username"], values["password"])
        if what == UPLOADS:
            return self.logins.key(values["access_key_id"], values["secret_access_key"])
        return self.logins.token(values["secret"])

    def credentials(self) -> dict[str, dict[str, str]]:
        """What the application has now, written as `rotator adopt` takes it (the token's id is not for it)."""
        now = self.consumer.settings()
        return {
            DATABASE: {"username": now["PGUSER"], "password": now["PGPASSWORD"]},
            UPLOADS: {"access_key_id": now["AWS_ACCESS_KEY_ID"], "secret_access_key": now["AWS_SECRET_ACCESS_KEY"]},
            TOKEN: {"secret": now["API_TOKEN"]},
        }

    def untroubled(self) -> None:
        """A check: the application has worked all the time, and still does."""
        self.consumer.round()
        failures, count = list(self.consumer.failures), self.consumer.counts.total()
        alive = self.consumer.is_alive()
        self.report.check(
            alive and not failures, f"the application never noticed: {count} logins, {len(failures)} refused", "\n".join(failures)
        )

    def wait_for_grace(self, done: Done) -> None:
        """Sleep until every spec of this run wants to be looked at again."""
        times = [datetime.fromisoformat(each["next_look"]).timestamp() for each in done.results.values() if each["state"] == "grace"]
        pause = max([each - time.time() for each in times], default=0.0) + 1.05  # it is told to the second
        self.report.say(f"(waiting {max(pause, 0):.0f} s until the grace of the old ones is over)")
        time.sleep(max(pause, 0))


def files(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Every file with its inode, its time of change and its bytes."""
    return {
        str(each): (each.stat().st_ino, each.stat().st_mtime_ns, hashlib.sha256(each.read_bytes()).hexdigest() if each.is_file() else "")
        for each in sorted(folder.rglob("*"))
    }


def configure(demo: Demo) -> None:
    """init, validate."""
    demo.report.act("An operator writes a configuration")
    demo.fine(demo.operator("init", "--environment", "demo"), "init made a store, its key, and examples")
    write_files(demo.stage)
    demo.report.say("(rotator.yaml: three connections, a file store, the application's env file; schedules/demo.yaml: three rotations)")
    demo.fine(demo.operator("validate", "--strict"), "the files are right; nothing was asked of any server")
    demo.consumer.start()


def adopt(demo: Demo) -> None:
    """Hand over what people made."""
    demo.report.act("Credentials that people made are taken over, and stay as they are")
    for name in SPECS:
        done = demo.operator("--json", "adopt", name, "--from", "-", given=json.dumps(demo.stage.first[name]))
        demo.fine(done, f"{name}: logged in with it, and wrote it down")
    demo.report.check(all(demo.works(each, demo.stage.first[each]) for each in SPECS), "all three still work")
    demo.untroubled()


def dry_run(demo: Demo) -> dict[str, list[str]]:
    """Looks, changes nothing; returns the steps that it foretold."""
    demo.report.act("dry-run says what would happen")
    folders = [demo.stage.folder / each for each in ("var", "app", "schedules")]
    before, keys, tokens = [files(each) for each in folders], demo.stage.aws.keys(UPLOADER), demo.stage.hub.ids(BILLING)
    done = demo.operator("--json", "dry-run", *SPECS, "--force")
    demo.fine(done, "it looked at all three systems")
    plan = {name: steps(each) for name, each in done.results.items()}
    for name, names in plan.items():
        demo.report.say(f"    {name}: would {', '.join(names)}")
    demo.report.check([files(each) for each in folders] == before, f"{sum(map(len, before))} files and folders are the same, byte by byte")
    same = demo.stage.aws.keys(UPLOADER) == keys and demo.stage.hub.ids(BILLING) == tokens
    demo.report.check(same, "the providers list the same keys and tokens as before")
    return plan


def steps(result: Any) -> list[str]:
    """Names of the steps of a result, less the one that ends it."""
    return [f"{each['step']} {each['phase']}".strip() for each in result["steps"] if each["step"] not in ("WAIT", "REST", "STOP")]


def rotate(demo: Demo, plan: dict[str, list[str]]) -> None:
    """The first rotation of all three, then the end of the old ones."""
    demo.report.act("All three are rotated")
    old = demo.credentials()
    done = demo.run(*SPECS, "--force")
    demo.fine(done, "three new credentials: made, stored, verified, published", also=len(done.results) == len(SPECS))
    demo.report.check(
        {name: steps(each) for name, each in done.results.items()} == plan, "it took exactly the steps that dry-run had foretold"
    )
    new = demo.credentials()
    demo.report.check(all(new[each] != old[each] for each in SPECS), "the application's env file shows the new ones")
    demo.report.check("LOG_LEVEL=info" in demo.stage.env_file.read_text(), "the application's own lines in that file are untouched")
    demo.report.check(all(demo.works(each, new[each]) for each in SPECS), "the new ones log in")
    demo.report.check(all(demo.works(each, old[each]) for each in SPECS), "the old ones log in too, until their grace is over")
    got = demo.operator.read("get", DATABASE, "--reason", "demo")
    demo.report.check(got.code == 0 and got.document == new[DATABASE], "`get` shows the same as the env file", got.err[-500:])
    demo.untroubled()
    demo.report.act("The grace passes, and the old ones are revoked")
    revoke(demo, done, old)


def revoke(demo: Demo, done: Done, old: dict[str, dict[str, str]]) -> None:
    """Wait, run, and try the old ones for real."""
    demo.wait_for_grace(done)
    after = demo.run()
    demo.fine(
        after, "each old one was switched off, revoked, and tried", also=all(each["state"] == "at rest" for each in after.results.values())
    )
    for name, values in old.items():
        demo.report.check(not demo.works(name, values), f"{name}: the old credential is refused when we try it ourselves")
    demo.untroubled()


def nothing_but(demo: Demo, *, keys: set[str], tokens: set[str]) -> None:
    """A check: these are all keys and tokens that live, and one database user is locked, without a password."""
    living = set(demo.stage.aws.keys(UPLOADER))
    demo.report.check(
        living == keys, f"IAM lists {len(living)} key{'s' * (len(living) != 1)}, and each is known", f"{living} is not {keys}"
    )
    there = set(demo.stage.hub.ids(BILLING))
    demo.report.check(
        there == tokens, f"the hub lists {len(there)} token{'s' * (len(there) != 1)}, and each is known", f"{there} is not {tokens}"
    )


def token_ids(demo: Demo) -> set[str]:
    """Ids of the tokens that the records of the token's spec hold, as `status` tells them."""
    done = demo.operator("--json", "status", TOKEN, shown=False)
    row: dict[str, str | None] = next(iter(done.document.get("specs", [])), {})
    return {str(row[each]).split(" ")[0] for each in ("current", "pending", "previous") if row.get(each)}


def undo(demo: Demo) -> None:
    """One more rotation, and back."""
    demo.report.act("A rotation is undone within its grace")
    old = demo.credentials()
    demo.fine(demo.run(TOKEN, "--force"), "the token is rotated once more")
    new = demo.credentials()
    demo.report.check(new[TOKEN] != old[TOKEN], "the application has a new token")
    done = demo.operator("--json", "undo", TOKEN)
    demo.report.say(f"    {TOKEN}: {done.results.get(TOKEN, {}).get('message', '')}")
    demo.fine(done, "undo: back to the earlier one")
    same = demo.credentials()[TOKEN] == old[TOKEN]
    demo.report.check(same and demo.works(TOKEN, old[TOKEN]), "the application has the earlier token again, and it works")
    revoke(demo, done, {TOKEN: new[TOKEN]})


def status(demo: Demo) -> None:
    """What an operator sees at the end."""
    demo.report.act("What status and the ledger say")
    shown = demo.operator("status")
    for line in shown.out.rstrip().splitlines():
        demo.report.say(f"    {line.rstrip()}")
    resting = [block.split()[0] for block in shown.out.split("\n\n") if "STATE" in block and " at rest\n" in f"{block}\n"]
    users = demo.stage.postgres.query(
        "SELECT rolcanlogin, rolpassword IS NULL FROM pg_authid WHERE rolname = ANY(%s) ORDER BY 1", (list(USERS),)
    )
    demo.fine(shown, "all three are at rest", also=resting == list(SPECS))
    demo.report.check(
        users == [(False, True), (True, False)], "of the two database users one logs in, the other is locked and without a password"
    )
    verified = demo.operator("audit", "verify")
    for line in verified.out.rstrip().splitlines():
        demo.report.say(f"    {line}")
    demo.fine(verified, "the ledger is whole")
    beside = verified.out.count("not anchored: row")
    demo.report.check(beside == KILLS, f"{beside} events stand beside their chains: the last words of the runs that were killed")
