"""A chain of 1,000 events, tampered with at every position. Its head is its last event; rows are read once, only altered ones anew."""

import hashlib
import json
from dataclasses import replace

import pytest

from rotator.audit import Row, canonical, digest
from rotator.errors import Exit
from rotator.ledgers.nodes import Node, node_of
from rotator.ledgers.report import Verdict
from rotator.ledgers.verify import judge, verify

pytestmark = pytest.mark.no_cover  # thousands of chains: the other tests of the audit reach every branch, and are counted

CHAIN = "local:orders/db"
LENGTH = 1000
EVERYWHERE = range(1, LENGTH + 1)


def proof(nodes, head):
    report = judge({CHAIN: nodes}, {CHAIN: head})
    (chain,) = report.chains
    assert (report.exit is Exit.FAILED) == (chain.verdict is Verdict.TAMPERED)
    return chain


def first_bad(nodes, head):
    chain = proof(nodes, head)
    assert chain.verdict is Verdict.TAMPERED
    return chain.first_bad


def read(row, line):
    return node_of(Row(row, CHAIN, line))


def swapped(nodes, one, other):
    """Two rows with each other's content."""
    out = list(nodes)
    out[one], out[other] = replace(nodes[other], row=nodes[one].row), replace(nodes[one], row=nodes[other].row)
    return out


def test_an_untouched_chain_is_whole_with_every_event_anchored(thousand):
    report = verify(thousand.rows, {CHAIN: thousand.head})
    (chain,) = report.chains
    assert (report.exit, chain.verdict, chain.anchored, chain.loose) == (Exit.DONE, Verdict.WHOLE, LENGTH, ())


def test_an_edited_line_is_found_at_every_position(thousand):
    for seq in EVERYWHERE:
        row = thousand.rows[seq - 1]
        bad = read(row.row, row.line.replace('"APPLY"', '"VERIFY"'))
        assert first_bad([*thousand.nodes[: seq - 1], bad, *thousand.nodes[seq:]], thousand.head) == seq


def test_an_edited_line_with_its_hash_made_to_fit_is_found_at_every_position(thousand, forge):
    for seq in EVERYWHERE:
        row = thousand.rows[seq - 1]
        bad = read(row.row, forge(row.line, step="VERIFY"))
        assert first_bad([*thousand.nodes[: seq - 1], bad, *thousand.nodes[seq:]], thousand.head) == seq


def test_a_deleted_row_is_found_at_every_position(thousand):
    for seq in EVERYWHERE:
        assert first_bad([*thousand.nodes[: seq - 1], *thousand.nodes[seq:]], thousand.head) == seq


def test_an_inserted_row_is_listed_as_not_anchored_at_every_position(thousand, forge):
    for seq in EVERYWHERE:
        own = read(5000, forge(thousand.rows[seq - 1].line, step="VERIFY"))
        chain = proof([*thousand.nodes[: seq - 1], own, *thousand.nodes[seq - 1 :]], thousand.head)
        assert (chain.verdict, chain.anchored, [(each.row, each.seq) for each in chain.loose]) == (Verdict.WHOLE, LENGTH, [(5000, seq)])


def test_two_neighbours_that_were_swapped_are_found_at_every_position(thousand):
    for seq in range(1, LENGTH):
        assert first_bad(swapped(thousand.nodes, seq - 1, seq), thousand.head) == seq


def test_two_distant_rows_that_were_swapped_are_found_at_every_position(thousand):
    for seq in range(1, LENGTH):
        other = seq + 1 + (seq * 7919) % (LENGTH - seq)
        assert first_bad(swapped(thousand.nodes, seq - 1, other - 1), thousand.head) == seq


def test_a_cut_at_or_below_the_head_is_found_at_every_position(thousand):
    for seq in EVERYWHERE:
        assert first_bad(thousand.nodes[: seq - 1], thousand.head) == seq


def test_a_chain_recomputed_up_to_its_end_is_found_at_every_position(thousand):
    """It hangs together in itself; that the last event is not the one that the head names is all that can be known."""
    texts = [canonical(forged_line(row, "<prev>")).partition("<prev>") for row in thousand.rows]
    for seq in EVERYWHERE:
        nodes = list(thousand.nodes[: seq - 1])
        prev = nodes[-1].digest if nodes else ""
        for number, (before, _, after) in enumerate(texts[seq - 1 :], seq):
            computed = hashlib.sha256(f"{before}{prev}{after}".encode()).hexdigest()
            nodes.append(Node(number, number, prev, computed, ""))
            prev = computed
        assert first_bad(nodes, thousand.head) == LENGTH
        assert prev == digest(forged_line(thousand.rows[-1], nodes[-1].prev)), "these are the hashes that the ledger would compute"


def forged_line(row, prev):
    return {name: value for name, value in json.loads(row.line).items() if name != "hash"} | {"run": "forged", "prev": prev}


@pytest.mark.parametrize("seq", [1, 2, 500, 999, 1000])
def test_a_chain_recomputed_line_by_line_is_found_too(thousand, seq):
    rows, prev = list(thousand.rows[: seq - 1]), thousand.nodes[seq - 2].digest if seq > 1 else ""
    for row in thousand.rows[seq - 1 :]:
        document = {**json.loads(row.line), "run": "forged", "prev": prev}
        prev = digest(document)
        rows.append(replace(row, line=canonical({**document, "hash": prev})))
    (chain,) = verify(rows, {CHAIN: thousand.head}).chains
    assert (chain.verdict, chain.first_bad) == (Verdict.TAMPERED, LENGTH)
    assert "rewritten" in chain.why


def test_a_copy_of_a_row_is_listed_as_not_anchored_at_every_position(thousand):
    for seq in EVERYWHERE:
        place = (seq * 7919) % LENGTH
        copy = replace(thousand.nodes[seq - 1], row=5000)
        chain = proof([*thousand.nodes[:place], copy, *thousand.nodes[place:]], thousand.head)
        assert (chain.verdict, len(chain.loose)) == (Verdict.WHOLE, 1)
        assert "repeats" in chain.loose[0].why


@pytest.mark.parametrize("head_at", [1, 500, 999])
def test_a_cut_above_the_head_is_not_found(thousand, head_at):
    """The limit of this proof, as the documents say it: what no record names may vanish without a trace."""
    head = type(thousand.head)(head_at, thousand.nodes[head_at - 1].digest)
    chain = proof(thousand.nodes[:head_at], head)
    assert (chain.verdict, chain.loose) == (Verdict.WHOLE, ())


@pytest.mark.parametrize("head_at", [1, 500, 999])
def test_rows_above_the_head_are_listed_as_not_anchored(thousand, head_at):
    head = type(thousand.head)(head_at, thousand.nodes[head_at - 1].digest)
    chain = proof(thousand.nodes, head)
    assert (chain.verdict, chain.anchored, [each.seq for each in chain.loose]) == (
        Verdict.WHOLE,
        head_at,
        list(range(head_at + 1, LENGTH + 1)),
    )
