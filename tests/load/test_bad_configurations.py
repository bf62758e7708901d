from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import load_corpus as corpus
from load_kit import write_config

from rotator.load import Invalid, load


def written(case, folder):
    file = write_config(folder, case.owner, orders=case.team)
    if case.raw is not None:
        (folder / "schedules" / "orders.yaml").write_bytes(case.raw)
    return file


def expected(case, folder):
    """The file and line of the mark."""
    for path in (folder / "rotator.yaml", folder / "schedules" / "orders.yaml"):
        text = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
        lines = text.split("\n")
        marks = [number for number, line in enumerate(lines, 1) if line.endswith("#!")]
        if marks:
            return str(path), marks[0]
    return None, None


def test_the_corpus_is_large_and_its_names_differ():
    assert len(corpus.CASES) >= 150
    assert len({(case.name, case.owner, case.team, case.raw) for case in corpus.CASES}) == len(corpus.CASES)


@pytest.mark.parametrize("case", corpus.CASES, ids=[f"{number}-{case.name.replace(' ', '-')}" for number, case in enumerate(corpus.CASES)])
def test_a_bad_configuration_is_refused_where_it_is_wrong_without_a_value(case, plugin_dir, tmp_path):
    file = written(case, tmp_path)
    began = time.process_time()
    with pytest.raises(Invalid) as caught:
        load(file, plugin_dirs=[plugin_dir])
    assert time.process_time() - began < 2
    assert caught.value.exit_code == 2
    text = str(caught.value)
    assert corpus.CANARY not in text
    assert "hunter2" not in text
    fitting = [each for each in caught.value.problems if case.says in each.text]
    assert fitting, text
    where, line = expected(case, tmp_path)
    if where is not None:
        assert (where, line) in {(each.file, each.line) for each in fitting}, text
