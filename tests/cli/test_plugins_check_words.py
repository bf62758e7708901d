"""What the process of `rotator plugins check` makes of a broken law and of an endpoint, without a plugin."""

import subprocess
import sys

import pytest

from rotator.testing.check import may_be_one


@pytest.mark.parametrize(
    ("law", "words"),
    [
        ("with pytest.raises(Rejected): pass", "nothing was raised where Rejected was to be"),
        ("with pytest.raises((Rejected, Denied)): pass", "nothing was raised where Rejected or Denied was to be"),
        ("assert isinstance(raised(lambda: None), Rejected | Denied)", "nothing was raised where Rejected or Denied was to be"),
        ("error = Denied('no'); assert isinstance(error, Rejected)", "Denied was raised where Rejected was to be"),
        ("new = 1; assert (new == 1, new == 1) == (True, False)", "`(new == 1, new == 1)` was (True, True), not (True, False)"),
        ("state = {'a': 'b' * 50}; before = {}; assert state == before", "`state` was not equal to `before`"),
        ("found = [1]; assert not found", "`found` was true"),
        ("found = []; assert found", "`found` was not true"),
        ("driver = 'x'; assert not driver, f'{driver} is imported'", "x is imported"),
        ("raise Denied('no right')", "Denied was raised: no right"),
        ("raise ValueError", "ValueError was raised"),
        ("pytest.fail('it was never asked')", "it was never asked"),
    ],
)
def test_each_way_in_which_a_law_breaks_has_its_words(law, words, tmp_path):
    head = "import pytest\nfrom rotator.errors import Denied, Rejected\nfrom rotator.testing.target_contract import raised\n"
    (tmp_path / "test_law.py").write_text(f"{head}def test_law():\n    {law.replace('; ', chr(10) + '    ')}\n")
    (tmp_path / "conftest.py").write_text(
        "import pytest\nfrom rotator.testing.seen import seen\n\n@pytest.hookimpl(wrapper=True)\n"
        "def pytest_runtest_makereport(item, call):\n    report = yield\n    if call.excinfo:\n"
        "        told = report.longrepr.reprcrash.message\n"
        "        print('SEEN', seen(call.excinfo.value, str(call.excinfo.traceback[-1].statement), told), flush=True)\n    return report\n"
    )
    command = [sys.executable, "-m", "pytest", "-qs", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert [each.removeprefix("SEEN ") for each in done.stdout.splitlines() if each.startswith("SEEN ")] == [words]


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ("db1.internal:5432", "db1.internal:5432", True),
        ("localhost:5432", "127.0.0.1:5432", True),
        ("/run/postgresql:5432", "[::1]:5432", True),
        ("http://localhost:80/api", "http://127.0.0.1/other", True),
        ("https://DB1.invalid/", "https://db1.invalid:443", True),
        ("localhost:5432", "127.0.0.1:5433", False),
        ("db1.invalid:5432", "db2.invalid:5432", False),
        ("aws/111122223333", "aws/444455556666", False),
        ("aws:111122223333", "aws:444455556666", False),
        ("https://db1.invalid", "http://db1.invalid", False),
    ],
)
def test_two_endpoints_are_taken_for_one_system_however_it_is_spelled(one, other, may):
    assert (may_be_one(one, other), may_be_one(other, one)) == (may, may)
