"""Links lead somewhere: to a file of the repository, and to a heading in it."""

import re

import pytest
from pages import PAGES, ROOT, anchor, bare, headings, name

LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
ELSEWHERE = ("https://", "mailto:")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(bare(page.read_text(encoding="utf-8"))):
        if link.startswith(ELSEWHERE):
            continue
        file, _, part = link.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.is_relative_to(ROOT), link
        assert there.exists(), link
        if part:
            assert part in [anchor(each) for each in headings(there.read_text(encoding="utf-8"))], link


def test_every_page_can_be_reached_from_the_readme():
    reached, new = set(), {PAGES[0]}
    while new:
        reached |= new
        links = {(page.parent / link.partition("#")[0]).resolve() for page in new for link in LINK.findall(bare(page.read_text()))}
        new = {each for each in links if each in PAGES} - reached
    assert set(PAGES) <= reached


def test_the_index_of_decisions_has_every_decision():
    folder = ROOT / "docs/adr"
    files = sorted(each.name for each in folder.glob("0*.md"))
    listed = re.findall(r"^\| (\d{4}) \| \[(.+)\]\((.+)\) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert [each[2] for each in listed] == files
    for number, title, file in listed:
        text = (folder / file).read_text()
        assert text.startswith(f"# {number}: {title}\n")
        assert headings(text)[1:] == ["Context", "Decision", "Consequence"]
        assert len(text.splitlines()) <= 40


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_knows_a_machine(page):
    for each in (f"{ROOT}/", "/tmp/", "/root/", "/home/"):
        assert each not in page.read_text(encoding="utf-8")
