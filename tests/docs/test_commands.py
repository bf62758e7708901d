"""What the docs say of commands is what `--help` says."""

import re
import subprocess
import sys
from pathlib import Path

import commands_page
import pytest
from pages import PAGES, bare, rows, section, text_of

from rotator.cli import COMMANDS, cli

ROTATOR = str(Path(sys.executable).with_name("rotator"))
EVERY = {name: (usage, text) for name, usage, text in commands_page.every()}


def test_the_page_of_commands_is_what_help_says():
    assert commands_page.PAGE.read_text() == commands_page.page(), "python tests/docs/commands_page.py writes it anew"


def test_help_at_a_terminal_says_the_same():
    done = subprocess.run([ROTATOR, "run", "--help"], env={"COLUMNS": "200"}, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == EVERY["rotator run"][1].split()


def test_the_table_of_the_readme_has_every_command_with_its_usage_and_its_purpose():
    table = [(cells[0].strip("`"), cells[1]) for cells in rows(section(text_of("README.md"), "Commands"))]
    assert table == [(EVERY[f"rotator {name}"][0], purpose) for name, purpose in COMMANDS.items()]


def test_the_readme_names_every_global_option():
    told = section(text_of("README.md"), "Commands")
    for each in cli.params:
        if each.name != "version":
            assert each.opts[0] in told


@pytest.mark.parametrize("page", PAGES, ids=lambda each: each.name)
def test_every_option_that_a_page_names_exists(page):
    text = page.read_text()
    known = {option for _, help in EVERY.values() for option in re.findall(r"--[a-z-]+", help)}
    for line in re.findall(r"rotator (?:[a-z-]+ ?)+[^\n`|]*", text):
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line):
            assert option in known, (page.name, line)
    for command in re.findall(r"`rotator ([a-z][a-z-]*)", bare(text)):
        assert command in COMMANDS, (page.name, command)
