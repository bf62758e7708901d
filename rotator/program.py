"""Runs a program of the machine's owner: no shell, a deadline, its output held up to a limit, and nothing of ours in its environment."""

from __future__ import annotations

import ctypes
import errno
import os
import selectors
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from rotator.errors import Denied, PortError, Unreachable
from rotator.seam import Seam

CHUNK = 65536
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
"""Loaded before the fork: little may be done after it."""
PASSED_ON = ("PATH", "HOME", "LANG")
"""What a program gets of our environment."""
NO_PROGRAM = {
    errno.ENOENT: ("there is no such program, or none that runs it", "name one that is installed where rotator runs, by its whole path"),
    errno.EACCES: ("it may not be run by this user", "chmod +x, for the user that runs rotator"),
    errno.EPERM: ("it may not be run by this user", "chmod +x, for the user that runs rotator"),
    errno.ENOEXEC: ("it is no program", "let its first line name what runs it: #!/bin/sh"),
    errno.ENOTDIR: ("there is no such program", "correct its path"),
}


def environment(**more: str) -> dict[str, str]:
    """What a program finds in its environment: `PATH`, `HOME` and `LANG` as they are here, and these. Never give it a secret."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | more


def run_program(
    argv: Sequence[str], *, env: Mapping[str, str], timeout: float, stdin: bytes | None = None, limit: int | None = None
) -> tuple[int, bytes]:
    """Run it to its end; returns its exit code (negative: the signal that ended it) and what it wrote to stdout.

    It begins in `/`, in a session of its own, with `stdin` (None: nothing to read), no stderr, and `env` as its whole environment. What it
    has started and left behind in its session is killed with it. `timeout` is in seconds, `limit` in bytes of stdout (None: it goes
    nowhere). May be called again.

    Raises `Denied` where it cannot be started, `Unreachable` where it does not end in time or writes more than `limit`: it is killed then,
    and nobody knows what it has done. Of its arguments only the first is ever named.
    """
    end = Seam().ticks() + timeout
    with _started(argv, env, reads=stdin is not None, writes=limit is not None) as child:
        written = _conversation(argv[0], child, stdin or b"", end, timeout, limit or 0)
    return child.returncode, written


@contextmanager
def _started(argv: Sequence[str], env: Mapping[str, str], *, reads: bool, writes: bool) -> Iterator[subprocess.Popen[bytes]]:
    """The child, and its whole group ended whatever happens: nobody has waited for it yet, so the number is still its own."""
    try:
        child = subprocess.Popen(  # noqa: S603 - the owner's own program, and no shell
            argv, env=dict(env), start_new_session=True, bufsize=0, cwd="/", stderr=subprocess.DEVNULL,
            preexec_fn=partial(_die_with, os.getpid()),  # noqa: PLW1509 - it takes no lock that a thread of ours could hold
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL, stdout=subprocess.PIPE if writes else subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        raise _not_started(argv[0], error.errno) from None
    try:
        yield child
    finally:
        with suppress(ProcessLookupError, PermissionError):  # it has ended, or runs as another user now
            os.killpg(child.pid, signal.SIGKILL)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        child.wait()


def _die_with(run: int) -> None:
    """In the child: ask the kernel for SIGKILL when the run dies, or the program would act late, beside the next run (prctl(2)).

    One that then runs as another user is out of reach.
    """
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != run:
        os._exit(1)  # it died before that


def _not_started(name: str, number: int | None) -> PortError:
    code = errno.errorcode.get(number or 0)
    if number in NO_PROGRAM:
        what, fix = NO_PROGRAM[number]
        return Denied(f"{name}: {what}", fix, code)
    return Unreachable(f"{name}: it could not be started ({code})", "is the machine out of memory or processes?", code)


def _conversation(name: str, child: subprocess.Popen[bytes], text: bytes, end: float, timeout: float, limit: int) -> bytes:
    """Hand in `text`, take what comes, until the program itself has ended: a child of it may hold the pipe longer."""
    told, left, done = bytearray(), memoryview(text), os.pidfd_open(child.pid)
    try:
        with selectors.DefaultSelector() as ready:
            ready.register(done, selectors.EVENT_READ)
            for pipe, event in ((child.stdin, selectors.EVENT_WRITE), (child.stdout, selectors.EVENT_READ)):
                if pipe is not None:
                    os.set_blocking(pipe.fileno(), False)
                    ready.register(pipe, event)
            while True:
                found = [key.fileobj for key, _ in ready.select(max(0.0, end - Seam().ticks()))]
                if not found:
                    raise Unreachable(f"{name}: it did not end within {timeout:g} s, and was killed", "run it by hand: where does it hang?")
                if child.stdin in found:
                    left = _give(ready, child, left)
                if child.stdout in found or done in found:
                    _take(ready, child, told)
                if len(told) > limit:
                    raise Unreachable(f"{name}: it wrote more than {limit} bytes, and was killed", "let it write only what is asked for")
                if done in found:
                    return bytes(told)
    finally:
        os.close(done)


def _give(ready: selectors.BaseSelector, child: subprocess.Popen[bytes], left: memoryview) -> memoryview:
    """As much as the pipe takes now; it is closed after the last byte, or where the program does not read it."""
    assert child.stdin is not None
    try:
        left = left[os.write(child.stdin.fileno(), left[:CHUNK]) :] if left else left
    except BrokenPipeError:
        left = left[len(left) :]
    if not left:
        ready.unregister(child.stdin)
        child.stdin.close()
    return left


def _take(ready: selectors.BaseSelector, child: subprocess.Popen[bytes], told: bytearray) -> None:
    """What is there to read now, at most a pipe's fill."""
    if child.stdout is None or child.stdout.closed:
        return
    with suppress(BlockingIOError):
        more = os.read(child.stdout.fileno(), CHUNK)
        told += more
        if not more:
            ready.unregister(child.stdout)
            child.stdout.close()
