"""The door: `python -m rotator.testing.demo`."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from rotator.testing.canary import Canary
from rotator.testing.demo.consumer import Consumer, Logins
from rotator.testing.demo.crashes import crash
from rotator.testing.demo.operator import Operator
from rotator.testing.demo.report import Report
from rotator.testing.demo.stage import Stage, build
from rotator.testing.demo.story import Demo, adopt, configure, dry_run, rotate, status, undo
from rotator.testing.demo.tamper import tamper
from rotator.testing.demo.traces import Before, Watch, leaks
from rotator.testing.demo.vault import vault
from rotator.testing.servers.openbao import OpenBaoServer
from rotator.testing.sweep import scan


def main() -> int:
    """Run the demo; the exit code says whether every check passed."""
    parser = argparse.ArgumentParser(prog="python -m rotator.testing.demo", description="Watch real credentials rotate, crash and heal.")
    parser.add_argument("--keep", action="store_true", help="leave the folder with configuration, store, ledger and outputs")
    keep = parser.parse_args().keep
    signal.signal(signal.SIGTERM, _interrupted)
    report, before, begun = Report(sys.stdout), Before(), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="rotator-demo-", dir="/tmp"))  # the path of a socket has at most 107 bytes
    folders = [folder]
    try:
        with ExitStack() as stack:
            play(folder, folders, report, stack)
    except KeyboardInterrupt:
        report.check(False, "the demo was interrupted")
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is a failed check, and everything is cleaned up
        report.check(False, "the demo could not go on", f"{type(error).__name__}: {error}\nin {_where(error)}")
    finally:
        if keep:
            report.say(f"(kept: {folder})")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    left = before.left(*folders[1 if keep else 0 :])
    report.check(not left, "no process, no user of the operating system and no file is left", "\n".join(left))
    report.say(f"({time.monotonic() - begun:.0f} s)")
    return report.end()


def play(folder: Path, folders: list[Path], report: Report, stack: ExitStack) -> None:
    """All acts. `folders` takes what must be gone at the end."""
    report.say("Starting PostgreSQL, an IAM with signature checks (moto) and a token API (JupyterHub), all on 127.0.0.1 …")
    stage, watch = build(folder, Canary(), stack), Watch()
    folders += [stage.postgres.base, stage.hub.folder]
    version = stage.postgres.query("SHOW server_version")[0][0]
    report.check(True, f"they answer: PostgreSQL {version}, port {stage.postgres.port}; {stage.aws.url}; {stage.hub.url}")
    consumer = Consumer(stage)
    stack.callback(consumer.end)
    demo = Demo(stage, Operator(folder, report, watch), report, consumer, Logins(stage))
    configure(demo)
    adopt(demo)
    rotate(demo, dry_run(demo))
    crash(demo)
    undo(demo)
    status(demo)
    tamper(demo)
    with OpenBaoServer() as server:
        folders.append(server.folder)
        vault(demo, server, watch)
    finish(demo, watch)


def finish(demo: Demo, watch: Watch) -> None:
    """The application's count, and the search for secrets."""
    demo.report.act("The application, and the search for secrets")
    demo.consumer.round()
    demo.consumer.end()
    counts = ", ".join(f"{count} at the {what}" for what, count in demo.consumer.counts.items())
    demo.report.check(counts and not demo.consumer.failures, f"its logins, all the time and through four kills: {counts}; none failed")
    _search(demo, demo.stage, watch)


def _search(demo: Demo, stage: Stage, watch: Watch) -> None:
    hits = leaks(stage, demo.report.text, watch)
    count = len(stage.canary.labels)
    where = "outputs, logs at DEBUG, ledger and a copy, state, the servers' logs, arguments and environments of processes"
    demo.report.check(not hits, f"none of {count} secrets in {stage.canary.count >> 10} KiB: {where}", "\n".join(map(str, hits)))
    demo.report.check(scan(stage.canary, stage.env_file), "the same search finds them where they belong, in the application's file")


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "an unknown place"


if __name__ == "__main__":
    sys.exit(main())
