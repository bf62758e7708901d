"""What is written of reloads, by the owner and by teams."""

import pickle
import sys
from pathlib import Path

import pytest

from rotator.cli.runs import make_job
from rotator.load import Invalid, load, refuse_unready
from rotator.load.plugins import reload_class
from rotator.model import Reached
from rotator.spec import ReloadSpec
from tests.load.load_kit import POSTGRES

OWNER = (
    POSTGRES
    + """\
  local: {type: file, path: var/store, key: {file: var/store.key}}
destinations:
  env: {type: env_file, path: out/env, allow: {schedules: ["*"]}}
reloads:
  app: {type: command, argv: [systemctl, reload, app], timeout: 30s, allow: {schedules: ["team.yaml"]}}
  hook: {type: webhook, url: "https://app.internal/rotated", secret: {env: HOOK_KEY}, allow: {schedules: ["*"]}}
  plain: {type: webhook, url: "https://b.internal/", secret: {env: HOOK_KEY}, ack: status, tls: {ca: ca.pem}, allow: {schedules: ["*"]}}
  old: {type: signal, pidfile: run/old.pid, signal: HUP, exe: /usr/sbin/oldd, user: oldd, allow: {schedules: ["*"]}}
"""
)
TEAM = """version: 1
rotations:
  orders-db:
    owner: team
    target: {type: postgres, connection: pg, dbname: orders, usernames: [orders_a, orders_b]}
    store: {name: local, path: orders/db}
    when: {every: 30d}
    reload: [app, {name: hook, ack: adopted}, plain, {name: old, ack: sent}]
"""
WISH = "[app, {name: hook, ack: adopted}, plain, {name: old, ack: sent}]"


def files(folder, owner=OWNER, team=TEAM, name="team"):
    folder.chmod(0o700)
    (folder / "schedules").mkdir(mode=0o700)
    for path, text in ((folder / "rotator.yaml", owner), (folder / "schedules" / f"{name}.yaml", team)):
        path.write_text(text)
        path.chmod(0o600)
    return folder / "rotator.yaml"


def problems(*given, **more):
    with pytest.raises(Invalid) as error:
        load(files(*given, **more), strict=True)
    return [f"{Path(each.file).name}:{each.line}: {each.path}: {each.text}" for each in error.value.problems]


def test_a_team_names_them_and_asks_a_level(tmp_path):
    loaded = load(files(tmp_path), strict=True)
    (spec,) = loaded.specs
    assert spec.reloads == (ReloadSpec("app", 2), ReloadSpec("hook", 3), ReloadSpec("plain", 2), ReloadSpec("old", 1))
    assert loaded.config.reloads["old"].settings.pidfile == str(tmp_path / "run/old.pid")
    assert loaded.config.reloads["plain"].settings.tls.ca == str(tmp_path / "ca.pem")


def test_a_worker_gets_those_of_its_spec_and_no_other(tmp_path):
    loaded = load(files(tmp_path, team=TEAM.replace(WISH, "[app]")))
    job = pickle.loads(pickle.dumps(make_job(loaded, loaded.specs[0])))
    assert list(job.config.reloads) == ["app"]
    assert job.classes["reload app"] is reload_class("command")


def test_its_secret_must_be_there_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.setenv("PG_ADMIN", "x")
    monkeypatch.delenv("HOOK_KEY", raising=False)
    loaded = load(files(tmp_path))
    (tmp_path / "var").mkdir()
    (tmp_path / "var/store.key").write_text("x")
    (tmp_path / "var/store.key").chmod(0o600)
    with pytest.raises(Invalid, match=r"rotator.yaml:15: reloads.hook: the environment variable HOOK_KEY is not set"):
        refuse_unready(loaded)
    monkeypatch.setenv("HOOK_KEY", "x")
    refuse_unready(loaded)


SPECS = [
    ("[ap]", "reload.0: rotator.yaml has nothing of this name under `reloads`; did you mean `app`?"),
    ("[app, {name: hok}]", "reload.1.name: rotator.yaml has nothing of this name under `reloads`; did you mean `hook`?"),
    ("[app, hook, app]", "reload.2: `app` stands here twice: leave one"),
    ("[old]", "reload.0: reload `old` never shows more than `sent`: if that will do, write `{name: old, ack: sent}`"),
    ("[{name: old, ack: accepted}]", "reload.0: reload `old` never shows more than `sent`, and `ack: accepted` asks for more"),
    ("[{name: app, ack: adopted}]", "reload.0: reload `app` never shows more than `accepted`, and `ack: adopted` asks for more"),
    ("[{name: plain, ack: adopted}]", "reload.0: reload `plain` never shows more than `accepted`, and `ack: adopted` asks for more"),
    ("[{name: hook, ack: done}]", "reload.0.ack: should be 'sent', 'accepted' or 'adopted'"),
    ("app", "reload: write a list here, `[a, b]`"),
    ("[{argv: [rm, -rf, /]}]", "reload.0.argv: nothing reads `argv`"),
    ("[{name: hook, url: 'https://evil.example/'}]", "reload.0.url: nothing reads `url`"),
    ("[[app]]", "reload.0: write a mapping here, `key: value`"),
]


@pytest.mark.parametrize(("written", "says"), SPECS, ids=[each[0] for each in SPECS])
def test_a_wrong_wish_is_an_error_at_its_line(tmp_path, written, says):
    found = problems(tmp_path, team=TEAM.replace(WISH, written))
    assert any(each.startswith(f"team.yaml:8: rotations.orders-db.{says}") for each in found), found


def test_a_schedule_that_it_does_not_name_may_not_use_it(tmp_path):
    (only,) = problems(tmp_path, name="other")
    assert only == "other.yaml:8: rotations.orders-db.reload.0: reload `app` is not for this schedule file: see its `allow` in rotator.yaml"


ENTRIES = [
    ("type: command", "type: comand", 14, "reloads.app.type: no plugin for this reload type is installed; did you mean `command`?"),
    ("[systemctl, reload, app]", "systemctl reload app", 14, "reloads.app.argv: write a list here"),
    ("[systemctl, reload, app]", "[bin/reload]", 14, "reloads.app.argv: the program is an absolute path, or a name"),
    ("timeout: 30s", "timeout: 5m", 14, "reloads.app.timeout: should be less than or equal to"),
    ("timeout: 30s", "shell: true", 14, "reloads.app.shell: nothing reads `shell`"),
    ("secret: {env: HOOK_KEY}, allow", "secret: hunter2, allow", 15, "reloads.hook.secret: a secret is a reference"),
    ("secret: {env: HOOK_KEY}, allow", "secret: {store: l, path: a, field: b}, allow", 15, "reloads.hook.secret: a secret reference names"),
    ("https://app.internal/", "http://app.internal/", 15, "reloads.hook.url: http:// sends secrets in clear"),
    ("signal: HUP", "signal: KILL", 17, "reloads.old.signal: no program can handle this signal"),
    ("  app: {", "  env: {", 14, "reloads.env: a store or destination has this name: they are told apart by name"),
    ("  app: {", "  App: {", 14, "reloads.App: a name has 1 to 63"),
    (', allow: {schedules: ["team.yaml"]}', "", 14, "reloads.app: there is no `allow`"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "says"), ENTRIES, ids=[f"{each[1]} {each[3]}"[:40] for each in ENTRIES])
def test_a_wrong_entry_is_an_error_at_its_line(tmp_path, old, new, line, says):
    assert OWNER.count(old) == 1
    found = problems(tmp_path, owner=OWNER.replace(old, new))
    assert any(each.startswith(f"rotator.yaml:{line}: {says}") for each in found), found
    assert not any("hunter2" in each for each in found)


PLUGIN = """
from rotator.reload import Reached, Reload, Settings
class Bell(Reload):
    settings, reaches = Settings, Reached.sent
    def tell(self, name, version):
        return Reached.sent
class Silent(Reload):
    settings, reaches = Settings, Reached.sent
class Odd(Bell):
    reaches = 2
class Moody(Bell):
    @classmethod
    def most(cls, settings):
        raise RuntimeError("canary-Zq7")
"""


@pytest.fixture
def drop_in(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir(mode=0o700)
    points = "\n".join(f"{name.lower()} = reload_plugins:{name}" for name in ("Bell", "Silent", "Odd", "Moody"))
    for name, text in (("reload_plugins.py", PLUGIN), ("entry_points.txt", f"[rotator.reloads]\n{points}\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    yield folder
    sys.path[:] = [each for each in sys.path if each != str(folder)]
    sys.modules.pop("reload_plugins", None)


@pytest.mark.parametrize(
    ("type", "says"),
    [
        ("bell", None),
        ("silent", "its `tell` is missing"),
        ("odd", "its `reaches` is no level of rotator.model.Reached"),
        ("moody", r"its plugin cannot take these settings \(RuntimeError\)"),
    ],
)
def test_a_plugin_of_somebody_else_is_found_and_looked_at(tmp_path, drop_in, type, says):
    owner = OWNER + f"  other: {{type: {type}}}\n"
    file = files(tmp_path, owner, TEAM.replace(WISH, "[{name: other, ack: sent}]"))
    if says is None:
        assert load(file, plugin_dirs=[drop_in]).specs[0].reloads == (ReloadSpec("other", Reached.sent),)
        return
    with pytest.raises(Invalid, match=says) as error:
        load(file, plugin_dirs=[drop_in])
    assert "Zq7" not in str(error.value)


def test_the_owner_s_list_of_plugins_holds_for_reloads_too(tmp_path, drop_in):
    owner = OWNER + "  other: {type: bell}\nplugins: {allow: [postgres]}\n"
    with pytest.raises(Invalid, match=r"rotator.yaml:18: reloads.other.type: reload type `bell` is not in `plugins.allow`"):
        load(files(tmp_path, owner), plugin_dirs=[drop_in])
