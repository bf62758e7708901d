"""Runners of GitHub Actions and GitLab CI: they read the job's file as it is and give its shell steps to bash, as the real ones do.

GitHub Docs, "Workflow syntax", `jobs.<job_id>.steps[*].shell`: `bash --noprofile --norc -eo pipefail`, one script a step; a line in
GITHUB_PATH counts from the next step on. GitLab Runner: one bash for all lines, with `set -eo pipefail`. What a step uses instead of
running (an action) is not performed, and installing is not tried: `python` and `pip` are replaced.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from rotator.cli.runs import make_job
from rotator.load import load
from rotator.model import Secret
from rotator.record import WRITES_KEPT
from rotator.testing.canary import Canary
from rotator.testing.sweep import scan
from rotator.worker import ports

ROOT = Path(__file__).resolve().parents[2]
ROTATOR = Path(sys.executable).with_name("rotator")
EXPRESSION = re.compile(r"\$\{\{ (\S+) \}\}")
MONTH = 31 * 86_400.0
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
MISSING = [each for each in ("bash", "curl", "jq") if not shutil.which(each, path="/usr/bin:/bin")]
"""What every machine of GitHub has, and this one lacks."""
STUBS = {
    "python": '[ "$1 $2" = "-m venv" ] && mkdir -p "$3/bin"',
    "pip": '[ "$1" = install ]',
    "rotator": f'exec "{ROTATOR}" "$@"',
    "curl": 'printf "%s\\n" "$@" >>"$RUNNER_TEMP/arguments"; exec /usr/bin/curl "$@"',
}
"""Programs of the runner. What `curl` is told in its arguments is noted, for others may read them."""


@dataclass
class Done:
    """How a job ended, and all that it left behind in words."""

    code: int = 0
    log: str = ""
    files: dict[str, str] = field(default_factory=dict)
    machine: Path = Path()
    """What the runner held, beside the checkout: state, ledger, arguments of programs."""


class Runner:
    """A machine of the CI system with a checkout. `variables`: of the job's environment, beside what the system sets."""

    def __init__(self, folder, checkout, issuer, **variables):
        self.folder, self.checkout, self.issuer = folder, checkout, issuer
        self.temp = folder / "temp"
        self.temp.mkdir(parents=True)
        bin = folder / "bin"
        bin.mkdir()
        for name, line in STUBS.items():
            (bin / name).write_text(f"#!/bin/sh\n{line}\n")
            (bin / name).chmod(0o755)
        self.path = f"{bin}:/usr/bin:/bin"
        self.environment = {"HOME": str(folder), "LC_ALL": "C.UTF-8", "CI": "true", **variables}

    def bash(self, script, done, **more):
        """One script; its output is the log. Who listens in `/proc` sees its arguments, which are the script's text."""
        environment = {**self.environment, "PATH": self.path, **more}
        ended = subprocess.run(
            [*BASH, script], cwd=self.checkout, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        done.log += ended.stdout + ended.stderr
        done.code = ended.returncode
        return done.code == 0

    def left(self, done, *names):
        """What is kept of the job."""
        done.files = {str(name): each.read_text() for name in names if (each := Path(self.checkout, name)).is_file()}
        done.machine = self.temp
        return done


class GitHub(Runner):
    """`jobs:` of a workflow."""

    def run(self, job, **inputs):
        workflow = yaml.load((ROOT / "deploy/ci/github-actions-oidc.yml").read_text(), yaml.BaseLoader)
        assert workflow["permissions"]["id-token"] == "write"
        assert workflow["defaults"]["run"]["shell"] == "bash"
        done, summary, paths = Done(), self.temp / "summary", self.temp / "path"
        given = {"inputs.names": inputs.get("names", ""), "runner.temp": str(self.temp)}
        own = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": self.issuer.request_url,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.issuer.bearer,
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_PATH": str(paths),
            "RUNNER_TEMP": str(self.temp),
        }
        for step in workflow["jobs"][job]["steps"]:
            if "run" not in step:
                continue
            environment = {name: EXPRESSION.sub(lambda found: given[found[1]], text) for name, text in step.get("env", {}).items()}
            assert "${{" not in step["run"], "an expression in a script is code of whoever writes the input"
            if not self.bash(step["run"], done, **own, **environment):
                break
            if paths.exists():
                self.path = ":".join([*reversed(paths.read_text().split()), self.path])
                paths.unlink()
        return self.left(done, "result.json", "events.jsonl", summary)


class GitLab(Runner):
    """A job of `.gitlab-ci.yml`, what it extends included."""

    def run(self, job):
        text = (ROOT / "deploy/ci/gitlab-ci-oidc.yml").read_text().replace("/tmp/", f"{self.temp}/")
        jobs = yaml.safe_load(text)
        whole = jobs[jobs[job]["extends"]] | jobs[job]
        tokens = {name: self.issuer.token(each["aud"], *self.issuer.job) for name, each in whole["id_tokens"].items()}
        done = Done()
        self.bash("\n".join(whole["script"]), done, **whole["variables"], **tokens)
        return self.left(done, *whole["artifacts"]["paths"])


RUNNERS = {"github": GitHub, "gitlab": GitLab}


def a_month_passes(file):
    """The last slot of the only spec is 31 days further back, by the store's own write: what was adopted a moment ago is due."""
    loaded = load(file)
    job = make_job(loaded, loaded.specs[0], named=True)
    store, path = ports(job, job.order).store, job.spec.path
    head = store.read(path)
    writes = (*head.writes, "a-month-passes")[-WRITES_KEPT:]
    store.write(path, head.but(last_slot=head.last_slot - MONTH, seq=head.seq + 1, writes=writes))
    store.close()


def found(secrets, done, checkout):
    """Which of these stand in the job's log, in what it kept, on its machine, in the checkout, or in the files of the jobs."""
    canary = Canary()
    for number, each in enumerate(secrets):
        canary.register(Secret(each), f"secret {number}")
    hits = [hit for name, text in {"log": done.log, **done.files}.items() for hit in canary.search(text, name)]
    folders = (done.machine, checkout, ROOT / "deploy/ci")
    return hits + [hit for folder in folders for each in folder.rglob("*") if each.is_file() for hit in scan(canary, each)]
