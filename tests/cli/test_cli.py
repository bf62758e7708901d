from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "load"))
sys.path.insert(0, str(Path(__file__).parent))
import load_corpus
from load_kit import OWNER, TEAM, write_config, write_plugins
from typed import ROTATOR, run

import rotator.cli
from rotator.cli import COMMANDS, Options, cli, main
from rotator.errors import BadInput, Conflict, LedgerFailed

REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def plugin_dir(tmp_path_factory):
    return write_plugins(tmp_path_factory.mktemp("drop-in"))


# ---- what it looks like


def test_help_lists_every_command_of_the_table():
    done = run("--help")
    assert done.returncode == 0
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert not done.stderr


def test_the_version_is_that_of_the_installed_distribution():
    from importlib.metadata import version

    assert run("--version").stdout == f"rotator {version('rotator')}\n"


def test_help_imports_nothing_heavy():
    code = "import sys; from rotator.cli import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    heavy = "pydantic yaml rich structlog apscheduler psycopg boto3 httpx cryptography pebble importlib.metadata rotator.load"
    assert not {each for each in heavy.split() if f"'{each}'" in done.stderr}


def cost_of(args, times=6):
    """The least processor time of several calls: others may be using this machine."""
    found = []
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(args, capture_output=True, check=False, timeout=30)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def test_help_and_version_cost_little_more_than_the_interpreter():
    bare = cost_of([sys.executable, "-c", "pass"])
    assert cost_of([ROTATOR, "--help"]) - bare < 0.3
    assert cost_of([ROTATOR, "--version"]) - bare < 0.3


def test_every_command_that_is_there_has_help_and_returns_what_the_table_says():
    ctx = click.Context(cli)
    for name in COMMANDS:
        if (REPOSITORY / "rotator" / "cli" / f"{name.replace('-', '_')}.py").exists() or (REPOSITORY / "rotator" / "cli" / name).is_dir():
            command = cli.get_command(ctx, name)
            assert command is not None
            assert command.name == name
            assert command.help


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["valdate"], "there is no command 'valdate'; did you mean `validate`?"),
        (["validate", "--strickt"], "No such option"),
        (["--nonsense"], "No such option"),
        (["validate", "--json"], "It stands before the command: `rotator --json validate`."),
        (["audit", "show", "--state", "x"], "It stands before the command: `rotator --state DIR audit show`."),
        (["--log-level", "loud", "validate"], "Invalid value for '--log-level'"),
        (["--config"], "requires an argument"),
        (["validate", "extra"], "unexpected extra argument"),
    ],
)
def test_a_wrong_call_is_exit_2_with_one_line_and_where_to_look(args, says, capsys):
    assert main(args) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert told.err.startswith("rotator: ")
    assert "--help`" in told.err
    assert not told.out


def test_what_a_message_advises_for_an_unknown_name_is_a_command_that_exists(plugin_dir, tmp_path):
    given = ["--config", write_config(tmp_path), "--plugin-dir", plugin_dir]
    done = run(*given, "run", "nobody-knows-this")
    (advice,) = re.findall("`rotator (.*)`", done.stderr)
    assert done.returncode == 2
    assert json.loads(run(*given, *advice.split()).stdout)["specs"] == ["alternating", "in-place", "keys"]


def test_no_command_is_exit_2_and_prints_the_help_on_stderr(capsys):
    assert main([]) == 2
    told = capsys.readouterr()
    assert "Commands:" in told.err
    assert not told.out


# ---- validate


def test_a_valid_configuration_is_exit_0(plugin_dir, tmp_path):
    done = run("--config", write_config(tmp_path), "--plugin-dir", plugin_dir, "validate", "--strict")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path}/rotator.yaml: valid, 3 specs\n"


def test_every_global_option_has_a_twin_in_the_environment(plugin_dir, tmp_path):
    file = write_config(tmp_path / "conf", "".join(OWNER))
    (tmp_path / "conf" / "schedules").rename(tmp_path / "elsewhere")
    twins = {
        "ROTATOR_CONFIG": str(file),
        "ROTATOR_SCHEDULES": str(tmp_path / "elsewhere"),
        "ROTATOR_STATE": str(tmp_path / "state"),
        "ROTATOR_PLUGIN_DIR": str(plugin_dir),
        "ROTATOR_JSON": "1",
        "ROTATOR_LOG_LEVEL": "error",
    }
    done = run("validate", cwd="/", **twins)
    assert json.loads(done.stdout) == {"valid": True, "specs": ["alternating", "in-place", "keys"], "warnings": [], "problems": []}


NAMES = {
    "latin-1",
    "a mapping as a key",
    "a secret at the top",
    "a password written out",
    "a password as a value",
    "a user in a URL",
    "a token in a spec",
    "a grace beyond the policy",
    "the admin itself",
    "a broken plugin",
    "a plugin that repeats",
}
PICKED = [each for each in load_corpus.CASES if each.name in NAMES]


@pytest.mark.parametrize("case", PICKED, ids=[each.name.replace(" ", "-") for each in PICKED])
def test_a_bad_configuration_is_exit_2_in_less_than_two_seconds_without_a_value(case, plugin_dir, tmp_path):
    file = write_config(tmp_path, case.owner, orders=case.team)
    if case.raw is not None:
        (tmp_path / "schedules" / "orders.yaml").write_bytes(case.raw)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run("--config", file, "--plugin-dir", plugin_dir, "validate")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2  # of CPU: others may be at work
    assert done.returncode == 2
    assert case.says in done.stderr
    assert load_corpus.CANARY not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[0].startswith((f"{tmp_path}/rotator.yaml:", f"{tmp_path}/schedules/orders.yaml:"))
    assert done.stderr.splitlines()[-1].endswith("in the configuration")


def test_problems_come_as_json_too(plugin_dir, tmp_path):
    file = write_config(tmp_path, orders=TEAM.replace("grace: 7d", "grace: 8d"))
    done = run("--config", file, "--plugin-dir", plugin_dir, "--json", "validate")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert told["valid"] is False
    assert [(each["line"], each["path"], each["spec"]) for each in told["problems"]] == [(17, "rotations.keys.grace", "keys")]


def test_a_warning_is_on_stderr_and_an_error_when_strict(plugin_dir, tmp_path):
    file = write_config(tmp_path, OWNER.replace('path: out/env, allow: {schedules: ["*"]}', "path: out/env"))
    done = run("--config", file, "--plugin-dir", plugin_dir, "validate")
    assert done.returncode == 0
    assert "destinations.env: there is no `allow`" in done.stderr
    assert run("--config", file, "--plugin-dir", plugin_dir, "validate", "--strict").returncode == 2


def test_validate_needs_no_network_no_secret_and_leaves_everything_as_it_was(tmp_path):
    assert run("init", cwd=tmp_path).returncode == 0
    (tmp_path / "var" / "store.key").unlink()
    before = sorted((str(each), each.stat().st_mtime_ns) for each in tmp_path.rglob("*"))
    code = "import socket, sys; socket.socket = None; from rotator.cli import main; sys.exit(main(['validate', '--strict']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted((str(each), each.stat().st_mtime_ns) for each in tmp_path.rglob("*")) == before


def test_the_examples_of_the_repository_are_valid():
    done = run("--config", REPOSITORY / "rotator.example.yaml", "validate", "--strict", cwd="/")
    assert done.returncode == 0, done.stderr
    assert "valid, 5 specs" in done.stdout


# ---- the one place where errors become words


@pytest.fixture
def failing(monkeypatch):
    """A command `status` that raises what it is given."""

    def fail(error):
        @click.command("status")
        def command():
            raise error

        monkeypatch.setattr(rotator.cli.Commands, "get_command", lambda *_: command)
        return main(["status"])

    return fail


def test_an_error_is_said_with_its_place_and_mend_and_its_class_is_the_exit_code(failing, capsys):
    assert failing(BadInput("the file is odd", where="a.yaml", fix="mend it")) == 2
    assert failing(Conflict("another runner was faster")) == 5
    assert failing(LedgerFailed("disk full")) == 1
    assert capsys.readouterr().err == "rotator: a.yaml: the file is odd. mend it\nrotator: another runner was faster\nrotator: disk full\n"


def test_what_nobody_foresaw_is_said_by_its_type_and_our_own_line_alone(failing, capsys):
    secret = "canary-in-an-exception"
    assert failing(ValueError(secret)) == 1
    told = capsys.readouterr().err
    assert secret not in told
    assert told.startswith("rotator: ValueError at rotator/cli/__init__.py:")
    assert "Traceback" not in told


def test_whoever_ends_the_process_inside_a_command_does_not_choose_its_exit_code(failing, capsys):
    assert failing(SystemExit(0)) == 1
    assert capsys.readouterr().err.startswith("rotator: SystemExit at rotator/cli/__init__.py:")


def test_an_interrupt_is_exit_130(failing, capsys):
    assert failing(KeyboardInterrupt()) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_real_ctrl_c_is_exit_130(tmp_path):
    code = """
import os, signal, sys, time, click, rotator.cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts the tests in the background has it ignored
@click.command("status")
def command():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
rotator.cli.Commands.get_command = lambda *_: command
sys.exit(rotator.cli.main(["status"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 130
    assert done.returncode != -signal.SIGINT


def test_a_reader_that_went_away_is_no_traceback(tmp_path):
    run("init", cwd=tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([ROTATOR, "validate"], cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    os.close(writing)
    assert done.returncode == 1
    assert not done.stderr


def test_a_full_disk_below_stdout_is_no_bug_of_ours(tmp_path):
    run("init", cwd=tmp_path)
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run([ROTATOR, "validate"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "bug" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_whoever_begins_it_may_have_closed_its_streams(closed, tmp_path):
    """As an init script does for a daemon. No file of ours gets their numbers."""
    code = """
import os, sys, click, rotator.cli
@click.command("status")
def command():
    from rotator.cli.runs import trigger
    seen = [os.path.samestat(os.fstat(each), os.stat(os.devnull)) for each in range(3)]
    print(file=open("told", "w"), *[trigger(), *seen])
    click.echo("words")
    click.echo("words", err=True)
rotator.cli.Commands.get_command = lambda *_: command
sys.exit(rotator.cli.main(["status"]))
"""
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    words = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "told").read_text().split()
    assert told[:2] == ["cron", "True"]
    assert told[2:] == (["True", "True"] if "2" in closed else ["False", "False"])


def test_what_a_command_returns_is_the_exit_code(monkeypatch):
    @click.command("status")
    @click.pass_obj
    def command(options):
        assert options == Options(config="x.yaml", json=True)
        return 3

    monkeypatch.setattr(rotator.cli.Commands, "get_command", lambda *_: command)
    assert main(["--config", "x.yaml", "--json", "status"]) == 3


def test_a_temporary_directory_with_too_long_a_path_is_told_before_any_run(monkeypatch):
    import tempfile

    import pytest

    from rotator.errors import BadInput
    from rotator.runner import refuse_long_tmpdir

    monkeypatch.setattr(tempfile, "tempdir", "/" + "x" * 90)
    with pytest.raises(BadInput, match="TMPDIR"):
        refuse_long_tmpdir()


# ---- times


def test_a_hold_for_longer_than_anybody_lives_is_refused(tmp_path):
    done = run("hold", "orders-db", "--for", "9999999d", "--reason", "for ever", cwd=tmp_path)
    assert (done.returncode, "at most 3650d" in done.stderr) == (2, True)
