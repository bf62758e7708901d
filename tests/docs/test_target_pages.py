"""Of every target that comes with rotator a page says which rights its admin needs, and the package's docstring says nothing else."""

import json
import re

import pytest
from pages import DOCS, ROOT, anchor, blocks, first_cells, headings, marked, section, text_of

import rotator_mysql
import rotator_postgres
import rotator_redis
from rotator.load import plugins
from rotator_aws_iam_key.policy import policy

TARGETS = sorted(each.name for each in plugins.found(plugins.TARGETS) if each.origin == "rotator")
RIGHTS = "The admin's rights"


def statements(text):
    """Of a docstring or a block: without comments and passwords."""
    lines = (re.sub(r"\s+", " ", line.partition("--")[0]).strip() for line in text.splitlines())
    return [re.sub(r"'[^']*'\)", "'…')", line) for line in lines if re.fullmatch(r"(CREATE|GRANT) .+;", line)]


@pytest.mark.parametrize("name", TARGETS)
def test_the_page_of_every_target_lists_the_rights_of_its_admin_or_leads_to_the_list(name):
    there = section(text_of(f"docs/targets/{name}.md"), RIGHTS)
    if "```" in there:
        return
    links = re.findall(r"\]\(\.\./\.\./(plugins/\S+/README\.md)#([\w-]+)\)", there)
    assert [page for page, _ in links] == [f"plugins/rotator_{name}/README.md"]
    text = text_of(links[0][0])
    (heading,) = [each for each in headings(text) if anchor(each) == links[0][1]]
    found = re.search(rf"^## {re.escape(heading)}$\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)[1]
    assert "```" in found or first_cells(found)


def test_the_page_of_security_leads_to_the_rights_of_every_target():
    told = section(text_of("SECURITY.md"), "Running it")
    assert sorted(re.findall(r"\(docs/targets/(\w+)\.md#the-admins-rights\)", told)) == TARGETS


def test_the_rights_for_postgres_stand_in_one_place_and_the_docstring_refers_to_it():
    assert statements(rotator_postgres.__doc__) == []
    assert f"*{RIGHTS}*" in rotator_postgres.__doc__
    assert RIGHTS in headings(text_of("plugins/rotator_postgres/README.md"))


def test_the_rights_for_redis_are_those_of_its_docstring():
    listed = [each.replace("\\|", "|") for each in first_cells(section(text_of("plugins/rotator_redis/README.md"), RIGHTS))]
    optional = re.findall(r"^\| `(\S+)` \| optional", text_of("plugins/rotator_redis/README.md"), re.MULTILINE)
    given = re.findall(r"(?<=\s)\+[a-z|]+", "".join(re.findall(r"ACL SETUSER rotator .*\n", rotator_redis.__doc__)))
    assert sorted({*listed} - {each.replace("\\|", "|") for each in optional}) == sorted(given)


def test_the_rights_for_mysql_are_those_of_its_docstring():
    assert statements(rotator_mysql.__doc__) == statements(marked(DOCS / "targets/mysql.md", "mysql: admin")[0].text)


def test_the_policy_for_aws_is_the_one_that_the_package_prints():
    page = ROOT / "plugins/rotator_aws_iam_key/README.md"
    (shown,) = [json.loads(each.text) for each in blocks(page) if each.language == "json"]
    assert shown == policy("123456789012", "orders-uploader", "arn:aws:iam::123456789012:user/rotator")
