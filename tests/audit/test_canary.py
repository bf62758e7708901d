"""The leak canary finds what was planted, in every encoding and every place, and nothing where nothing is."""

import base64
import gzip
import hashlib
import html
import http.server
import io
import json
import logging
import shlex
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zlib
from urllib.parse import quote, quote_plus

import pytest

from rotator.audit import Event, EventName, link
from rotator.ledgers.sqlite import SqliteLedger
from rotator.model import Secret
from rotator.testing.canary import ENCODINGS, HARD, Canary
from rotator.testing.sweep import scan, scan_process


@pytest.fixture
def canary():
    return Canary()


def ways(value):
    """Ways in which a program may write a value, by the encoding in which each must be found."""
    raw = value.encode()
    spaced = raw.hex(" ")
    return {
        "utf-8": [raw],
        "utf-16": [value.encode("utf-16-le"), value.encode("utf-16-be")],
        "base64": [base64.b64encode(before + raw + b"after") for before in (b"", b"u", b"u:", b"usr")]
        + [base64.encodebytes(b"x" * 50 + raw)],
        "base64url": [base64.urlsafe_b64encode(b"\xff\xfe" * each + raw) for each in range(3)],
        "hex": [raw.hex().encode(), raw.hex().upper().encode(), spaced.encode(), raw.hex(":").encode()],
        "percent": [quote(value), quote(value, safe=""), quote_plus(value), quote_plus(value).lower() if value.islower() else quote(value)],
        "json": [
            json.dumps(value),
            json.dumps(value, ensure_ascii=False),
            json.dumps(json.dumps({"a": value})),
            json.dumps(value).replace("/", "\\/"),
        ],
        "repr": [repr(value), ascii(value), repr(raw), repr([value, '"'])],
        "xml": [html.escape(value), html.escape(value, quote=False), html.escape(value).replace("&#x27;", "&apos;")],
        "quoted": [f"login -p {shlex.quote(value)}", "ALTER ROLE x PASSWORD '" + value.replace("'", "''") + "'"],
        "reversed": [value[::-1]],
        "compressed": [
            gzip.compress(raw),
            zlib.compress(raw * 2),
            b"junk" + gzip.compress(gzip.compress(raw)),
            b"\x78\x9c" + zlib.compress(raw, 9),
        ],
        "hashed": [hashlib.sha256(raw).hexdigest(), base64.b64encode(hashlib.sha1(raw).digest()), hashlib.md5(raw).hexdigest().upper()],
    }


def test_there_are_thirteen_encodings_and_each_is_tried():
    assert len(ENCODINGS) == 13
    assert set(ways("value")) == set(ENCODINGS)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_a_secret_is_found_in_each_encoding(canary, encoding, hard):
    value = canary.make("the password", hard=hard).reveal()
    for written in ways(value)[encoding]:
        data = written.encode() if isinstance(written, str) else written
        found = {(hit.label, hit.encoding) for hit in canary.search(b"something before " + data + b" and after", "here")}
        assert ("the password", encoding) in found, written


def test_a_clean_text_has_no_hit(canary):
    for hard in (True, False):
        canary.make(hard=hard)
    other = Canary().make(hard=True).reveal()
    for texts in ways(other).values():
        for text in texts:
            assert canary.search(text, "here") == []
    assert canary.count > 0


def test_a_hit_names_the_secret_by_its_label_and_never_by_its_value(canary):
    value = canary.make("the password").reveal()
    (hit, *_) = canary.search(f"abc{value}", "here")
    assert str(hit) == "here: the password as utf-8 at byte 3"
    assert value not in repr(canary.search(value, "here"))
    assert canary.make().reveal() not in repr(canary)


def test_a_secret_from_elsewhere_is_found_and_a_short_one_is_refused(canary):
    given = canary.register(Secret("wJalrXUtnFEMI/K7MDENG"))
    assert canary.search(quote(given.reveal(), safe=""), "here")
    with pytest.raises(ValueError, match="by chance"):
        canary.register(Secret("short"))


def test_what_only_looks_compressed_is_no_trouble(canary):
    canary.make()
    assert canary.search(b"\x1f\x8b\x08" * 50 + b"\x78\x9c" * 50 + zlib.compress(b""), "here") == []


def test_a_hard_secret_has_all_that_encodings_write_in_their_own_way(canary):
    assert all(each in canary.make(hard=True).reveal() for each in HARD)


# ---- ten planted leaks


@pytest.fixture
def leak(canary):
    return canary.make("the password").reveal()


def run(code, *arguments, **options):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, **options)


def test_leak_1_standard_output(canary, leak):
    assert canary.search(run("print(input())", input=leak).stdout, "stdout")


def test_leak_2_standard_error(canary, leak):
    assert canary.search(run("import sys; sys.stderr.write(input())", input=leak).stderr, "stderr")


def test_leak_3_a_log_at_debug(canary, leak):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.handle(logging.makeLogRecord({"levelno": logging.DEBUG, "msg": "Response body:\n%r", "args": ({"Key": leak},)}))
    assert canary.search(stream.getvalue(), "log")


def test_leak_4_the_text_of_an_exception(canary, leak):
    assert canary.search(run("int(input())", input=leak).stderr, "traceback")


def test_leak_5_a_line_of_the_ledger(canary, leak, tmp_path):
    ledger = SqliteLedger(tmp_path / "var" / "ledger.db")
    event = Event(ts="2026-11-24T12:00:00.000+00:00", event=EventName.STEP, chain="local:a", error_message=f"{'x' * 9000} {leak}")
    ledger.append(link([event], None)[0])
    ledger.close()
    assert any("ledger.db" in hit.where for hit in scan(canary, tmp_path))


def test_leak_6_a_file_of_the_state_directory_and_a_name_of_one(canary, leak, tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "a").write_text(json.dumps({"next": leak}))
    (tmp_path / f".{leak}.tmp").write_text("")
    (tmp_path / "link").symlink_to(leak)
    places = {hit.where.split(" ")[0] for hit in scan(canary, tmp_path)}
    assert places == {str(tmp_path / "locks" / "a"), "name", "link"}


def test_leak_7_and_8_arguments_and_environment_of_a_child(canary, leak):
    for arguments, environment, where in (([leak], {}, "cmdline"), ([], {"PASSWORD": leak}, "environ")):
        child = subprocess.Popen(
            [sys.executable, "-c", "print(flush=True); input()", *arguments], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            child.stdout.readline()
            assert {hit.where for hit in scan_process(canary, child.pid)} == {f"{where} of process {child.pid}"}
        finally:
            child.communicate(b"\n", timeout=10)


def test_leak_9_the_log_of_a_database(canary, leak, tmp_path):
    database = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute('CREATE TABLE "a ""b" (value)')
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    long = "".join(f"{number:04}" for number in range(1015)) + leak  # over the end of a page
    database.executemany('INSERT INTO "a ""b" VALUES (?)', [(leak,), (long,), (7,), (None,), (leak.encode(),)])
    places = {hit.where.removeprefix(str(tmp_path)) for hit in scan(canary, tmp_path)}
    database.close()
    assert places == {"/state.db-wal", '/state.db (a ""b)'}


def test_leak_10_the_access_log_of_an_http_server(canary, leak):
    lines = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, format, *args):
            lines.append(format % args)

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/login?token={quote_plus(leak)}", timeout=5)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert canary.search("\n".join(lines), "access log")


def test_a_clean_run_has_no_hit(canary, leak, tmp_path):
    ledger = SqliteLedger(tmp_path / "var" / "ledger.db")
    ledger.append(link([Event(ts="2026-11-24T12:00:00.000+00:00", event=EventName.STEP, chain="local:a")], None)[0])
    child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        hits = scan(canary, tmp_path) + scan_process(canary, child.pid)
    finally:
        output, _ = child.communicate(leak.encode() + b"\n", timeout=10)
        ledger.close()
    assert hits + canary.search(output, "stdout") == []
    assert canary.count > 4096


# ---- where it looks


def test_a_place_where_secrets_belong_can_be_left_out(canary, leak, tmp_path):
    (tmp_path / "env").write_text(f"TOKEN={leak}\n")
    assert scan(canary, tmp_path, tmp_path / "env")
    assert scan(canary, tmp_path, but=("*/env",)) == []


def test_what_cannot_be_looked_at_is_not_clean(canary, leak, tmp_path):
    with pytest.raises(FileNotFoundError):
        scan(canary, tmp_path / "missing")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with pytest.raises(OSError):
        scan_process(canary, child.pid)
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate((512 << 20) + 1)
    with pytest.raises(ValueError, match="was not looked at"):
        scan(canary, tmp_path)


# ---- the plugin

_SUITE = """
import logging, subprocess, sys

def test_that_prints(canary):
    print("the password is", canary.make("printed").reveal())

def test_that_lets_a_child_print(canary):
    subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write(input())"], input=canary.make("child").reveal(), text=True)

def test_that_logs(canary):
    logging.getLogger("x").warning("%s", canary.make("logged").reveal())

def test_that_keeps_it(canary):
    print("nothing", repr(canary.make("kept")))
"""


def test_the_plugin_fails_each_test_that_lets_a_secret_out(tmp_path):
    (tmp_path / "test_suite.py").write_text(_SUITE)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["rotator.testing.canary_plugin"]')
    command = [sys.executable, "-m", "pytest", "--capture=fd", "-p", "no:cacheprovider", "-rA", "--rootdir", str(tmp_path), str(tmp_path)]
    out = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert out.returncode == 1
    assert "4 passed, 3 errors" in out.stdout
    for title, label in (("Captured stdout call", "printed"), ("Captured stderr call", "child"), ("Captured log call", "logged")):
        assert f"{title}: {label} as utf-8" in out.stdout
    assert "kept as" not in out.stdout
