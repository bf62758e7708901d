"""What stands in the file, with bash and python-dotenv as the judges of what a reader gets."""

import subprocess
from pathlib import Path

import pytest

from rotator.destinations.dotenv import EnvText, Quote, quoted
from rotator.errors import Foreign, Refused

dotenv = pytest.importorskip("dotenv")
PLAIN = "Abc_1.2~3-4"
HARD = [
    "it's",
    "a b",
    'say "hi"',
    "a#b",
    "a # b",
    "$HOME",
    "`id`",
    "back\\slash",
    "\\'",
    "x=y",
    "~root",
    "!!",
    "%s",
    "é\u2028",
    " lead",
    "\t",
]


def text(content, names=("KEY",), style=Quote.NONE):
    return EnvText(content, names, style, "/etc/app/env")


def by_bash(path, name="KEY"):
    done = subprocess.run(
        ["bash", "--norc", "-c", 'set -a; . "$1"; printenv -0 "$2"', "bash", path, name],
        capture_output=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    return done.stdout.decode().removesuffix("\0")


def by_dotenv(path, name="KEY"):
    return dotenv.dotenv_values(path)[name]


@pytest.mark.parametrize("before", ["", "OTHER=1\n", "KEY=old\n", "export KEY=old\nB=2 # why\n", 'KEY="old"\n', "KEY='o'\\''ld'\n"])
def test_a_bare_value_is_read_alike_by_bash_by_dotenv_and_by_us(tmp_path, before):
    path = tmp_path / "env"
    path.write_text(text(before).replaced({"KEY": PLAIN}), newline="")
    assert by_dotenv(path) == text(path.read_text()).values()["KEY"] == PLAIN
    assert by_bash(path) == PLAIN


def by_docker(path, name="KEY"):
    """As `docker run --env-file` (docker/cli, pkg/kvfile): a comment is a line of its own, and all behind `=` is the value."""
    lines = [line.lstrip() for line in path.read_text().split("\n")]
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))[name]


def by_systemd(path, name="KEY"):
    """By the generator of environment.d(5), which reads with the parser of `EnvironmentFile=`."""
    generator = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")
    if not generator.exists():
        pytest.skip("systemd is not installed")
    folder = path.parent / "environment.d"
    folder.mkdir(exist_ok=True)
    (folder / "a.conf").write_bytes(path.read_bytes())
    told = subprocess.run([generator], env={"XDG_CONFIG_HOME": str(path.parent), "HOME": "/"}, capture_output=True, check=True, text=True)
    return dict(line.split("=", 1) for line in told.stdout.splitlines())[name]


@pytest.mark.parametrize(
    "before", ["", "KEY=", "KEY=  \n", "KEY=old  \nB=2 # why\n", "# why \\\\\n\tKEY=old\n", "# why\n", "B=x \\\\\n", "KEY=a;b"]
)
@pytest.mark.parametrize("reader", [by_bash, by_dotenv, by_docker, by_systemd, lambda path: text(path.read_text()).values()["KEY"]])
def test_what_is_written_without_quotes_is_what_every_reader_gets(tmp_path, before, reader):
    path = tmp_path / "env"
    path.write_text(text(before).replaced({"KEY": PLAIN}))
    assert reader(path) == PLAIN


@pytest.mark.parametrize(
    "line", ["KEY=   # why", "KEY=old # why", "KEY=old\t#why", "export KEY=old # why", "KEY='old'  # why", "KEY='old'#why", "KEY= #"]
)
def test_without_quotes_a_comment_behind_our_value_is_foreign_for_some_take_it_for_a_part(line):
    with pytest.raises(Foreign, match="env, line 2: for docker and systemd the comment behind KEY is a part of it"):
        text(f"A=1 # why\n{line}\n")


@pytest.mark.parametrize("end", ["# path C:\\", "  # path C:\\", "; path C:\\", "A=x\\", "#\\\\\\"])
def test_a_backslash_at_the_end_joins_nothing_of_ours_whether_it_stands_there_or_is_to_come(end):
    with pytest.raises(Foreign, match="line 1: a backslash at the end of the file joins it to KEY"):
        text(end).replaced({"KEY": "new"})
    with pytest.raises(Foreign, match="line 2: a backslash at the end of a line joins KEY"):
        text(f"{end}\nKEY=old\n")


@pytest.mark.parametrize("style", Quote)
def test_nothing_is_appended_to_a_line_that_would_take_it_in(style):
    with pytest.raises(Foreign, match="line 2: a backslash at the end of the file"):
        text("KEY=old\nLAST=C:\\data\\\n", ["KEY", "OTHER"], style).replaced({"KEY": "new", "OTHER": "new"})
    text("KEY=old\nLAST=C:\\data\\\n", style=style).replaced({"KEY": "new"})


@pytest.mark.parametrize("value", [*HARD, PLAIN, "end\\"])
def test_what_is_quoted_for_a_shell_is_what_bash_and_we_read(tmp_path, value):
    path = tmp_path / "env"
    content = text("KEY=old\nB='x'\n", style=Quote.SHELL).replaced({"KEY": value})
    path.write_text(content, newline="")
    assert by_bash(path) == value
    assert by_bash(path, "B") == "x"
    assert text(content, style=Quote.SHELL).values() == {"KEY": value}


@pytest.mark.parametrize("value", [*HARD, PLAIN])
def test_what_is_quoted_for_dotenv_is_what_dotenv_and_we_read(tmp_path, value):
    path = tmp_path / "env"
    content = text("KEY=old\nB='x'\n", style=Quote.DOTENV).replaced({"KEY": value})
    path.write_text(content, newline="")
    assert by_dotenv(path) == value
    assert by_dotenv(path, "B") == "x"
    assert text(content, style=Quote.DOTENV).values() == {"KEY": value}


@pytest.mark.parametrize("style", [Quote.SHELL, Quote.DOTENV])
@pytest.mark.parametrize("value", HARD)
def test_a_quoted_value_is_replaced_again_without_a_trace(style, value):
    once = text("A=1\nKEY=old # why\nB=2\n", style=style).replaced({"KEY": value})
    assert text(once, style=style).replaced({"KEY": "new"}) == "A=1\nKEY='new' # why\nB=2\n"


@pytest.mark.parametrize("value", [*HARD, "~", "~-", "~+1", "~postgres", "ü"])
def test_a_value_that_readers_see_differently_is_refused_and_not_told(value):
    with pytest.raises(Refused) as no:
        quoted("KEY", value, Quote.NONE)
    assert len(value) < 4 or value not in str(no.value)
    assert "quote: shell" in no.value.fix


@pytest.mark.parametrize("value", ["~7fT-k.2Vn_wQ9zXcR4bM8sJ1hL5pD0g", "~Root", "a~b"])
def test_a_tilde_that_is_no_home_directory_is_taken_and_bash_leaves_it(tmp_path, value):
    path = tmp_path / "env"
    path.write_text(f"KEY={quoted('KEY', value, Quote.NONE)}\n")
    assert by_bash(path) == by_dotenv(path) == value


@pytest.mark.parametrize("value", ["${HOME}", "end\\"])
def test_a_value_that_dotenv_changes_is_refused(value):
    with pytest.raises(Refused):
        quoted("KEY", value, Quote.DOTENV)


KEPT = "\ufeff# head\n\n  export A=1\nKEYS=x\nNOT_KEY=y\n#KEY=commented\nB = 'two\nlines'\nexport KEY\n\n"


@pytest.mark.parametrize("end", ["", "KEY=old", "KEY=old\n", "\texport KEY=old   \n# note\n", "KEY = old\n", "KEY=\n"])
def test_everything_that_is_not_ours_stays_as_it_is(end):
    new = text(KEPT + end).replaced({"KEY": "new"})
    assert new.startswith(KEPT)
    assert new[len(KEPT) :] in ("KEY=new\n", "KEY=new", "\texport KEY=new\n# note\n")
    assert text(new).replaced({"KEY": "new"}) == new


def test_line_ends_are_kept_and_a_new_line_gets_those_of_the_file():
    new = text("A=1\r\nKEY=x # c\r\nB=2", ["KEY", "C"], Quote.DOTENV).replaced({"KEY": "y", "C": "z"})
    assert new == "A=1\r\nKEY='y' # c\r\nB=2\r\nC='z'\r\n"


@pytest.mark.parametrize("style", [Quote.SHELL, Quote.NONE])
@pytest.mark.parametrize("content", ["# windows\r\n", "A=1\r\nKEY=old\r\n", "A=1\nKEY=old\r", "KEY=old\r\n"])
def test_where_a_shell_would_take_the_carriage_return_for_a_part_of_the_value_nothing_is_written(tmp_path, content, style):
    path = tmp_path / "env"
    path.write_text("KEY='new'\r\n", newline="")
    assert by_bash(path) == "new\r"
    with pytest.raises(Foreign, match=r"KEY ends in a carriage return|env, line 1: lines end in a carriage return"):
        text(content, style=style).replaced({"KEY": "new"})


def test_line_ends_of_others_stay_whatever_they_are():
    assert text("A=1\nB=2\r\nKEY=x\nC=3\r\n", style=Quote.SHELL).replaced({"KEY": "y"}) == "A=1\nB=2\r\nKEY='y'\nC=3\r\n"


def test_a_byte_order_mark_before_our_name_is_foreign_for_a_shell_which_would_not_find_it(tmp_path):
    path = tmp_path / "env"
    path.write_text("\ufeffKEY=old\n")
    for style in (Quote.SHELL, Quote.NONE):
        with pytest.raises(Foreign, match="line 1: a byte order mark"):
            text(path.read_text(), style=style)
    path.write_text(text(path.read_text(), style=Quote.DOTENV).replaced({"KEY": "new"}))
    assert by_dotenv(path) == "new"


def test_what_we_would_read_as_something_else_is_not_written(monkeypatch):
    monkeypatch.setattr("rotator.destinations.dotenv.quoted", lambda *_: "'x'y")
    with pytest.raises(Foreign, match="read as something else") as no:
        text("A=1\n", style=Quote.SHELL).replaced({"KEY": "canary"})
    assert "canary" not in str(no.value)


def test_several_keys_change_where_they_stand():
    assert text("P=1\nX=0\nU=2\n", ["U", "P"]).replaced({"U": "u", "P": "p"}) == "P=p\nX=0\nU=u\n"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=a;b&c", "a;b&c"),
        ("KEY=it's", "it's"),
        ("KEY=#a", "#a"),
        ("KEY='ab'", "ab"),
        ('KEY="ab"  ', "ab"),
        ("KEY=a#c ", "a#c"),
        ('KEY="$X"', '"$X"'),
        ("export KEY=a", "a"),
    ],
)
def test_what_others_wrote_is_read_as_it_would_be(line, value):
    assert text(line + "\n").values() == {"KEY": value}


@pytest.mark.parametrize("line", ["KEY=", "KEY=  ", 'KEY=""', "#KEY=x", "export KEY", "KEYS=1"])
def test_a_blank_is_not_set(line):
    assert text(line + "\n").values() == {}


@pytest.mark.parametrize("style", [Quote.SHELL, Quote.DOTENV])
def test_a_blank_with_a_comment_is_not_set(style):
    assert text("KEY= # fill me in\n", style=style).values() == {}


@pytest.mark.parametrize(
    ("line", "value"),
    [("KEY=a\\ b", "a\\ b"), ("KEY='a'\"b\"c", "abc"), ("KEY='a'#b", "a#b"), ("KEY=é\u2028", "é\u2028"), ("KEY='a' # b", "a")],
)
def test_what_others_wrote_for_a_shell_is_read_as_it_would_be(line, value):
    assert text(line, style=Quote.SHELL).values() == {"KEY": value}


BEHIND = [
    "KEY=old; export KEY",
    "KEY=old;export KEY",
    "KEY=old OTHER=db1",
    "KEY=old;OTHER=db1",
    "KEY='old' && export KEY OTHER=db1",
    "KEY='old' more",
    "KEY='old' more'",
    'KEY="old" "more"',
]


@pytest.mark.parametrize("line", BEHIND)
@pytest.mark.parametrize("style", [Quote.SHELL, Quote.NONE])
def test_what_stands_behind_our_value_in_its_line_is_never_thrown_away(line, style):
    with pytest.raises(Foreign, match=r"env, line 2: (more than a value stands behind KEY|a quote is opened and never closed)"):
        text(f"A=1\n{line}\nB=2\n", style=style)


@pytest.mark.parametrize("line", ["KEY=old&", "KEY=$(date)", "KEY= old", "KEY=(a b)", "KEY=a>b"])
def test_what_a_shell_runs_behind_our_value_is_never_thrown_away(line):
    with pytest.raises(Foreign, match="more than a value"):
        text(line, style=Quote.SHELL)


@pytest.mark.parametrize("line", ["KEY='old' more", "KEY='old' \"more\"", '  KEY="old"more'])
def test_a_line_that_dotenv_cannot_read_is_not_cut_short(tmp_path, line):
    path = tmp_path / "env"
    path.write_text(line)
    assert "KEY" not in dotenv.dotenv_values(path) or by_dotenv(path) is None
    with pytest.raises(Foreign, match="more than a value"):
        text(line, style=Quote.DOTENV)


@pytest.mark.parametrize("line", ["KEY=old; export KEY", "KEY=a 'b' c", "KEY=it's", "KEY='old'#why", "KEY=old # why", "KEY= # why"])
def test_what_dotenv_takes_for_one_value_is_replaced_whole_and_its_comment_stays(tmp_path, line):
    path = tmp_path / "env"
    path.write_text(text(line, style=Quote.DOTENV).replaced({"KEY": "it's"}))
    assert by_dotenv(path) == "it's"
    assert path.read_text().rstrip().endswith("why") == line.endswith("why")


@pytest.mark.parametrize("style", [Quote.SHELL, Quote.NONE])
@pytest.mark.parametrize(
    "line", ["B=1 KEY=late", "export B='2 3' KEY=late", "B=1; KEY=late", "B=1;KEY=late", "KEY+=late", "export KEY+=late"]
)
def test_a_line_behind_ours_that_sets_it_again_for_a_shell_is_foreign(tmp_path, line, style):
    path = tmp_path / "env"
    path.write_text(f"KEY=new\n{line}\n")
    assert by_bash(path).endswith("late")
    with pytest.raises(Foreign, match="line 2: KEY is set here and in line 1"):
        text(path.read_text(), style=style)


@pytest.mark.parametrize("style", [Quote.SHELL, Quote.NONE])
@pytest.mark.parametrize("line", ["B='1 KEY=x'", "B=KEY=x", "B=1 # KEY=x", "B=1 MY_KEY=x", "B=\\ KEY=x", '[ -n "$KEY" ] || KEY=x'])
def test_a_line_behind_ours_that_only_looks_so_is_taken(tmp_path, line, style):
    path = tmp_path / "env"
    path.write_text(text(f"KEY=old\n{line}\n", style=style).replaced({"KEY": "new"}))
    assert by_bash(path) == "new"


@pytest.mark.parametrize("style", Quote)
def test_a_value_of_ours_that_spans_lines_is_not_cut_in_two(style):
    with pytest.raises(Foreign, match="line 2: a quote is opened and never closed in this line"):
        text("A=1\nKEY='begin\nend'\nB=2\n", style=style)


def test_a_shell_may_open_a_quote_anywhere_in_a_line_of_others():
    with pytest.raises(Foreign, match="inside a quoted value that begins in line 1"):
        text("A=1 CERT='begin\nKEY=a\nend'\n", style=Quote.SHELL)
    assert text("A=1;# it's\nB= # it's\nKEY=a\n", style=Quote.SHELL).values() == {"KEY": "a"}


UNCLEAR = {
    "twice": ("KEY=a\nB=1\nKEY=b\n", 3, "line 1"),
    "twice, once exported": ("export KEY=a\n'KEY'=b\n", 2, "line 1"),
    "inside double quotes": ('CERT="begin\nKEY=a\nend"\n', 2, "begins in line 1"),
    "inside quotes behind a blank": ("CERT = 'begin\nKEY=a\nend'\n", 2, "begins in line 1"),
    "inside single quotes": ("A=1\nCERT='begin\nKEY=a\nend'\n", 3, "begins in line 2"),
    "a quote never closed": ("KEY=a\nB='x\nC=1\n", 2, "never closed"),
    "our own quote never closed": ("KEY='a\nB=1\n", 1, "never closed"),
    "continued into": ("A=x\\\nKEY=a\n", 2, "backslash"),
    "continued from": ("KEY=a\\\nB=1\n", 1, "backslash"),
    "no value": ("A=1\nKEY\n", 2, "without a value"),
    "a lone carriage return": ("A=1\rKEY=a\n", 1, "carriage return"),
}


@pytest.mark.parametrize("style", Quote)
@pytest.mark.parametrize(("content", "line", "words"), UNCLEAR.values(), ids=UNCLEAR)
def test_where_readers_could_disagree_nothing_is_touched(content, line, words, style):
    with pytest.raises(Foreign) as no:
        text(content, style=style)
    assert f"/etc/app/env, line {line}: " in str(no.value)
    assert words in str(no.value)


def test_a_quote_in_the_middle_of_a_word_matters_to_a_shell_alone():
    content = "NAME=O'Brien\nKEY=a\n"
    assert text(content).values() == {"KEY": "a"}
    with pytest.raises(Foreign):
        text(content, style=Quote.SHELL)


@pytest.mark.parametrize("style", [Quote.SHELL, Quote.DOTENV])
def test_a_comment_with_an_odd_end_joins_nothing_where_its_reader_is_no_systemd(style):
    assert text("# path C:\\\nKEY=a\n", style=style).values() == {"KEY": "a"}
