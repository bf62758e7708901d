"""Kills of the plain command line, and of the daemon, at random moments: of main alone, of the run's process, of the whole group."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from rotator.errors import Exit
from rotator.model import Credential
from rotator.testing.kill.oracle import RESTING, Oracle
from rotator.testing.processes import Vigil, alive, children, gone_within, in_session
from rotator.testing.stands import NAME, Stand, World

WAITS = ("grace", "soak")
VICTIMS = ("main", "run", "group")
DAEMON = ("daemon",)
BY_THE_CLOCK = 0.3
"""The share of rotations, and of what ends them, that is left to a daemon."""
WITH_MAIN = 0.1
"""Seconds after main's death by which its runs are gone."""
PATIENCE = 30.0
ANYWHERE = 0.25
"""The share of kills that come at any moment of the command; the others once the run's process is there."""
RUNS_TO_REST = 6
UNHARMED, UNDONE = 0.5, 0.3
"""The share of rotations that are left alone, so that what comes after them is killed, and of undos among that."""


class Killer:
    """Kills commands in one world, and tells the oracle."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, random.Random(seed)
        self.oracle = Oracle(world)
        self.whole, self.part = 1.0, 0.5
        """Seconds that a command takes, and of them its run."""
        self.known: list[Credential] = [world.first]
        self.longest = 0.0
        """Seconds that the last run outlived its main."""
        self.blind = 0
        """Kills of main whose moment was seen too late to tell."""
        self.daemons = 0
        """Kills of a daemon or its run."""
        self.struck = 0
        """Kills that came while a run was there."""
        self.code, self.why = 0, "at rest"
        self.next_look: str | None = None

    # ---- one command

    def clean(self, *arguments: str) -> None:
        """A command that nobody kills; how long it and its run take is how late kills come."""
        out, begun, came, went = self.world.folder / "out", time.monotonic(), 0.0, 0.0
        with out.open("wb") as file:
            process = subprocess.Popen(
                self.world.command("--json", *arguments), stdout=file, stderr=subprocess.DEVNULL, start_new_session=True
            )
            while process.poll() is None:
                runs = self._runs(process.pid)
                came = came or (time.monotonic() if runs else 0.0)
                went = time.monotonic() if runs else went
                time.sleep(0.005)
        self.whole, self.part = time.monotonic() - begun, went - came
        text = out.read_text()
        found = json.loads(text)["results"][0] if text.startswith("{") else {"state": "no result"}
        self.code, self.why, self.next_look = process.returncode, found["state"], found.get("next_look")

    def kill(self, victim: str, *arguments: str) -> None:
        """Start a command, and kill at a random moment. At its end nothing of it is left."""
        nowhere = subprocess.DEVNULL
        process = subprocess.Popen(self.world.command(*arguments), stdout=nowhere, stderr=nowhere, start_new_session=True)
        runs = self._wait(process)
        self.struck += bool(runs)
        begun = time.monotonic()
        with suppress(ProcessLookupError), Vigil([process.pid, *runs]) as vigil:
            match victim:
                case "main":
                    os.kill(process.pid, signal.SIGKILL)
                    self._gone_with_main(vigil, process.pid)
                case "run" if runs:
                    os.kill(runs[0], signal.SIGKILL)
                case "group":
                    os.killpg(process.pid, signal.SIGKILL)
        if arguments == DAEMON and process.poll() is None:
            process.terminate()  # it outlives its runs
        process.wait(timeout=PATIENCE)
        left = gone_within(in_session(process.pid), PATIENCE).seconds
        if left >= PATIENCE or (victim != "run" and time.monotonic() - begun > PATIENCE):
            self.oracle.violate("I5", f"{[each for each in in_session(process.pid) if alive(each)]} are left behind")

    def _gone_with_main(self, vigil: Vigil, main: int) -> None:
        """How long its runs outlived it."""
        took = vigil.gone(PATIENCE, main)
        if took.blind > WITH_MAIN:
            self.blind += 1
        self.longest = max(self.longest, took.counted)
        if took.counted > WITH_MAIN:
            late = f"{took.seconds * 1000:.0f} ms, less {took.stalled * 1000:.0f} ms of waiting for a processor"
            self.oracle.violate("I5", f"a run outlived its main by {late}")

    def _wait(self, process: subprocess.Popen[bytes]) -> list[int]:
        """Until the moment; the run's processes then."""
        if self.random.random() < ANYWHERE:
            time.sleep(self.random.uniform(0.0, self.whole))
            return self._runs(process.pid)
        end = time.monotonic() + PATIENCE
        while not self._runs(process.pid) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(self.random.uniform(0.0, self.part))
        return self._runs(process.pid)

    @staticmethod
    def _runs(main: int) -> list[int]:
        """Main's grandchildren: the forkserver's children."""
        return [run for child in children(main) for run in children(child)]

    # ---- a story

    def next_command(self) -> tuple[str, ...]:
        """What is killed next: it depends on what there is to do."""
        clock = self.random.random() < BY_THE_CLOCK
        if self.why not in WAITS:
            self._fit_grace()
            if self.random.random() < UNHARMED:
                self.clean("run", NAME, "--force")
        if self.why not in WAITS:
            return self._due() if clock else ("run", NAME, "--force")
        if self.random.random() < UNDONE:
            return ("undo", NAME)
        if clock:
            return DAEMON
        self._wait_for_it()
        return ("run", NAME)

    def _due(self) -> tuple[str, ...]:
        """A slot has come when the daemon starts: it rotates by the clock."""
        every = 2 * self._span() + 1
        time.sleep(max(0.0, self.world.record().last_slot + every - time.time()))
        self.world.write_schedule(when={"every": f"{every}s"})
        return DAEMON

    def _fit_grace(self) -> None:
        """Grace as short as lets two clean runs pass in it, however slow this machine is now."""
        stand, span = self.world.stand, f"{self._span()}s"
        self.world.write_schedule(**{key: span for key in ("grace", "soak") if getattr(stand, key) != "0s"})

    def _span(self) -> int:
        return math.ceil(2.5 * self.whole)

    def _wait_for_it(self) -> None:
        """Until grace or soak is over."""
        if self.next_look is not None:
            time.sleep(max(0.0, datetime.fromisoformat(self.next_look).timestamp() - time.time()) + 0.1)

    def strike(self, number: int) -> list[str]:
        """One kill, two clean runs, and what the oracle says."""
        command, victim = self.next_command(), self.random.choice(VICTIMS)
        self.oracle.about = f"random kill {number} of {victim} in {' '.join(command)}"
        self.oracle.violations = []
        self.kill(victim, *command)
        if command == DAEMON:
            self.daemons += 1
            self.world.write_schedule(when={"every": "30d"})
        self.oracle.after_kill()
        self._remember()
        for _ in range(2):
            self.clean("run", NAME)
            if self.code == Exit.DONE and self.why in RESTING:
                break
        self._remember()
        self.oracle.must_rest(Exit(self.code), self.why)
        self.oracle.audited()
        return self.oracle.violations

    def _remember(self) -> None:
        record = self.world.record()
        found = [each.credential for each in (record.current, record.pending, record.previous) if each and each.credential]
        self.known += [each for each in found if each.secret and not any(each.same(one) for one in self.known)]

    def rest(self) -> list[str]:
        """To the end of the last story; and the ledger's proof by the command line."""
        self.oracle.about, self.oracle.violations = "after all random kills", []
        for _ in range(RUNS_TO_REST):
            if self.why in WAITS:
                self._wait_for_it()
            self.clean("run", NAME)
            if self.why == "at rest":
                break
        self.oracle.at_rest(self.known)
        if self.world.rotator("audit", "verify").code != 0:
            self.oracle.violate("I9", "`rotator audit verify` does not exit 0")
        return self.oracle.violations


def random_kills(stand: Stand, folder: Path, seed: int, count: int) -> Iterator[tuple[str, list[str]]]:
    """So many kills in one world: what was killed, and what was found; at last what is found at rest."""
    world = World(stand, folder / "random", "random")
    world.adopt()
    killer = Killer(world, seed)
    killer.clean("run", NAME)
    for number in range(1, count + 1):
        found = killer.strike(number)
        yield killer.oracle.about, found
    longest = f"the longest a run outlived its main: {killer.longest * 1000:.0f} ms ({killer.blind} seen too late to tell)"
    yield f"{killer.struck} of {count} in mid-run, {killer.daemons} of a daemon, {longest}", killer.rest()
