"""What `verify` says of chains that are not simply whole or simply cut."""

from dataclasses import replace

import pytest

from rotator.audit import LEDGER_CHAIN, Row, canonical, link
from rotator.errors import Exit
from rotator.ledgers.report import Loose, Verdict
from rotator.ledgers.verify import verify
from rotator.record import Head

CHAIN = "local:orders/db"


def only(report):
    (chain,) = report.chains
    return chain


@pytest.fixture
def ten(make_chain):
    return make_chain(10)


# ---- killed runs


def test_a_killed_runs_rows_share_seq_with_its_successors_and_are_listed(make_event, make_rows):
    begun, anchored = link([make_event(1), make_event(2)], None)
    killed, _ = link([make_event(3, run="killed"), make_event(4, run="killed")], anchored)
    successor, head = link([make_event(5), make_event(6), make_event(7)], anchored)
    chain = only(verify(make_rows([*begun, *killed, *successor]), {CHAIN: head}))
    assert (chain.verdict, chain.anchored) == (Verdict.WHOLE, 5)
    assert [(each.row, each.seq) for each in chain.loose] == [(3, 3), (4, 4)]
    assert all("killed run" in each.why for each in chain.loose)


def test_a_killed_first_run_shares_seq_1_with_its_successor(make_event, make_rows):
    killed, _ = link([make_event(1, run="killed")], None)
    successor, head = link([make_event(2)], None)
    chain = only(verify(make_rows([*killed, *successor]), {CHAIN: head}))
    assert (chain.verdict, chain.anchored, len(chain.loose)) == (Verdict.WHOLE, 1, 1)


def test_a_row_deleted_beside_a_killed_runs_row_of_the_same_seq_is_found(make_event, make_rows):
    begun, anchored = link([make_event(1), make_event(2)], None)
    killed, _ = link([make_event(3, run="killed"), make_event(4, run="killed")], anchored)
    successor, head = link([make_event(5), make_event(6), make_event(7)], anchored)
    chain = only(verify(make_rows([*begun, *killed, successor[1], successor[2]]), {CHAIN: head}))
    assert (chain.verdict, chain.first_bad, chain.anchored) == (Verdict.TAMPERED, 3, 2)


def test_a_copy_of_a_row_is_listed_and_said_to_repeat_it(ten):
    chain = only(verify([*ten.rows, replace(ten.rows[3], row=11)], {CHAIN: ten.head}))
    assert (chain.verdict, chain.loose) == (Verdict.WHOLE, (Loose(11, 4, "it repeats row 4"),))


def test_a_record_without_a_head_leaves_all_rows_not_anchored(ten):
    chain = only(verify(ten.rows, {CHAIN: None}))
    assert (chain.verdict, chain.anchored, chain.head, len(chain.loose)) == (Verdict.WHOLE, 0, None, 10)


# ---- heads


def test_a_head_whose_chain_has_no_row_is_tampered_with_from_seq_1():
    report = verify([], {CHAIN: Head(7, "0" * 64)})
    assert (report.exit, only(report).verdict, only(report).first_bad) == (Exit.FAILED, Verdict.TAMPERED, 1)
    assert "seq 7, which the record's head names" in only(report).why


def test_a_chain_that_no_head_names_is_not_compared(ten, make_chain):
    other = make_chain(3, "vault:stray", first=11)
    report = verify([*ten.rows, *other.rows], {CHAIN: ten.head})
    assert report.exit is Exit.UNPROVEN
    assert {each.chain: each.verdict for each in report.chains} == {CHAIN: Verdict.WHOLE, "vault:stray": Verdict.NOT_COMPARED}


def test_a_copy_without_heads_is_not_compared(ten):
    report = verify(ten.rows, None)
    assert (report.exit, report.compared, only(report).verdict) == (Exit.UNPROVEN, False, Verdict.NOT_COMPARED)


def test_an_empty_copy_without_heads_is_no_proof_of_anything():
    assert verify([], None).exit is Exit.UNPROVEN
    assert verify([], {}).exit is Exit.DONE


def test_a_head_with_the_right_hash_and_a_wrong_seq_is_found(ten):
    chain = only(verify(ten.rows, {CHAIN: Head(9, ten.head.hash)}))
    assert (chain.verdict, chain.first_bad) == (Verdict.TAMPERED, 9)


def test_a_first_event_that_names_one_before_it_is_found(ten, forge):
    row = ten.rows[0]
    line = forge(row.line, prev="f" * 64)
    chain = only(verify([replace(row, line=line)], {CHAIN: Head(1, line.split('"hash":"')[1][:64])}))
    assert (chain.verdict, chain.first_bad, chain.why) == (Verdict.TAMPERED, 1, "the first event names one before it")


def test_tampering_outweighs_what_was_not_compared(ten, make_chain):
    other = make_chain(3, "vault:stray", first=11)
    assert verify([*ten.rows[1:], *other.rows], {CHAIN: ten.head}).exit is Exit.FAILED


# ---- rows that are wrong by themselves


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "no JSON object"),
        ("[]", "no JSON object"),
        ("{", "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"seq":"\\ud800"}', "what no event holds"),
        ('{"seq":true,"hash":"x"}', "no usable seq"),
        ('{"seq":0,"hash":"x"}', "no usable seq"),
        ('{"seq":5,"prev":7}', "no usable seq"),
        ('{"seq":5,"prev":"x","hash":"y"}', "hash does not fit"),
    ],
)
def test_a_line_that_is_no_event_is_tampering_in_its_place_and_a_listed_row_beside_the_chain(ten, line, says):
    rows = [each if each.row != 5 else Row(5, CHAIN, line) for each in ten.rows]
    chain = only(verify(rows, {CHAIN: ten.head}))
    assert (chain.verdict, chain.first_bad) == (Verdict.TAMPERED, 5)
    assert any(says in each.why for each in chain.loose)
    beside = only(verify([*ten.rows, Row(11, CHAIN, line)], {CHAIN: ten.head}))
    assert (beside.verdict, [each.row for each in beside.loose]) == (Verdict.WHOLE, [11])
    assert says in beside.loose[0].why


def test_white_space_in_a_line_is_found_though_its_hash_fits(ten):
    row = ten.rows[4]
    chain = only(verify([*ten.rows[:4], replace(row, line=row.line.replace(",", ", ", 1)), *ten.rows[5:]], {CHAIN: ten.head}))
    assert (chain.verdict, chain.first_bad) == (Verdict.TAMPERED, 5)
    assert "canonical" in chain.why


def test_a_second_value_of_a_key_in_a_line_is_found_though_its_hash_fits(ten):
    row = ten.rows[4]
    chain = only(verify([*ten.rows[:4], replace(row, line='{"step":"REVOKE",' + row.line[1:]), *ten.rows[5:]], {CHAIN: ten.head}))
    assert (chain.verdict, chain.first_bad) == (Verdict.TAMPERED, 5)


def test_an_altered_hash_field_is_found(ten):
    row = ten.rows[4]
    chain = only(
        verify([*ten.rows[:4], replace(row, line=row.line.replace(ten.nodes[4].digest, "0" * 64)), *ten.rows[5:]], {CHAIN: ten.head})
    )
    assert (chain.verdict, chain.first_bad) == (Verdict.TAMPERED, 5)


@pytest.mark.parametrize("name", ["seq", "hash", "ts", "event", "spec", "rotation", "run"])
def test_a_column_that_differs_from_its_line_is_found(ten, name):
    rows = [replace(each, columns={name: "another" if each.row == 5 else _value(each, name)}) for each in ten.rows]
    chain = only(verify(rows, {CHAIN: ten.head}))
    assert (chain.verdict, chain.first_bad) == (Verdict.TAMPERED, 5)
    assert f"({name})" in chain.why


def _value(row, name):
    import json

    return json.loads(row.line).get(name)


def test_a_row_moved_to_another_chain_is_missing_in_its_own_and_not_anchored_there(ten, make_chain):
    other = make_chain(3, "vault:other", first=11)
    rows = [*ten.rows[:4], replace(ten.rows[4], chain="vault:other"), *ten.rows[5:], *other.rows]
    own, there = verify(rows, {CHAIN: ten.head, "vault:other": other.head}).chains
    assert (own.verdict, own.first_bad) == (Verdict.TAMPERED, 5)
    assert (there.verdict, there.loose) == (Verdict.WHOLE, (Loose(5, 5, "its line belongs to another chain"),))


def test_two_edits_name_the_lower_one(ten):
    rows = [replace(each, line=each.line.replace("APPLY", "VERIFY")) if each.row in (3, 7) else each for each in ten.rows]
    chain = only(verify(rows, {CHAIN: ten.head}))
    assert (chain.first_bad, chain.anchored) == (3, 3)
    assert "ends at seq 7" in chain.why
    assert [each.row for each in chain.loose] == [3, 7]


def test_two_rows_that_are_altered_beside_their_hashes_name_the_lower_one(ten):
    rows = [replace(each, line=each.line.replace(",", ", ", 1)) if each.row in (3, 7) else each for each in ten.rows]
    chain = only(verify(rows, {CHAIN: ten.head}))
    assert (chain.verdict, chain.first_bad, chain.anchored) == (Verdict.TAMPERED, 3, 10)


def test_a_ledger_begun_anew_says_that_its_beginning_is_missing(ten):
    chain = only(verify(ten.rows[6:], {CHAIN: ten.head}))
    assert (chain.verdict, chain.first_bad, chain.anchored) == (Verdict.TAMPERED, 1, 4)


def test_an_older_ledger_before_a_newer_one_makes_it_whole_again(ten):
    newer = [replace(each, row=number) for number, each in enumerate(ten.rows[6:], 1)]
    assert only(verify([*ten.rows[:6], *newer], {CHAIN: ten.head})).verdict is Verdict.WHOLE


# ---- without a head


@pytest.mark.parametrize("seq", range(1, 11))
def test_without_a_head_an_edit_is_still_found(ten, seq):
    rows = [replace(each, line=each.line.replace("APPLY", "VERIFY")) if each.row == seq else each for each in ten.rows]
    assert (only(verify(rows, {})).verdict, only(verify(rows, {})).first_bad) == (Verdict.TAMPERED, seq)


@pytest.mark.parametrize("seq", range(1, 10))
def test_without_a_head_a_deleted_row_is_found_unless_it_is_the_last(ten, seq):
    chain = only(verify([each for each in ten.rows if each.row != seq], None))
    assert (chain.verdict, chain.first_bad) == (Verdict.TAMPERED, seq)


def test_without_a_head_a_cut_at_the_end_is_not_found(ten):
    assert only(verify(ten.rows[:9], None)).verdict is Verdict.NOT_COMPARED


def test_without_a_head_an_unreadable_row_is_found_where_it_stands(ten):
    chain = only(verify([*ten.rows[:4], Row(5, CHAIN, "x"), *ten.rows[5:]], None))
    assert (chain.verdict, chain.first_bad) == (Verdict.TAMPERED, 5)


def test_without_a_head_copies_are_listed_and_branches_are_no_fault(ten, make_event, make_rows):
    branch, _ = link([make_event(90)], Head(5, ten.nodes[4].digest))
    chain = only(verify([*ten.rows, replace(ten.rows[2], row=11), *make_rows(branch, 12)], {}))
    assert (chain.verdict, chain.loose) == (Verdict.NOT_COMPARED, (Loose(11, 3, "it repeats row 3"),))


# ---- the ledger's own chain


@pytest.fixture
def own(make_chain):
    return make_chain(10, LEDGER_CHAIN)


def test_the_ledgers_own_chain_needs_no_head_to_be_whole(own):
    report = verify(own.rows, {})
    assert (report.exit, only(report).verdict) == (Exit.DONE, Verdict.WHOLE)
    assert "no head tells of a cut" in only(report).why


@pytest.mark.parametrize("seq", range(1, 11))
def test_an_edit_or_a_deletion_in_the_ledgers_own_chain_is_found(own, seq):
    edited = [replace(each, line=each.line.replace("APPLY", "VERIFY")) if each.row == seq else each for each in own.rows]
    assert only(verify(edited, {})).first_bad == seq
    if seq < 10:
        assert only(verify([each for each in own.rows if each.row != seq], {})).first_bad == seq


def test_a_branch_in_the_ledgers_own_chain_is_tampering(own, make_event, make_rows):
    branch, _ = link([make_event(90, LEDGER_CHAIN)], Head(5, own.nodes[4].digest))
    chain = only(verify([*own.rows, *make_rows(branch, 11)], {}))
    assert (chain.verdict, chain.first_bad) == (Verdict.TAMPERED, 11)


def test_a_cut_of_the_ledgers_own_chain_is_found_with_its_head(own):
    assert only(verify(own.rows[:6], {})).verdict is Verdict.WHOLE
    chain = only(verify(own.rows[:6], {LEDGER_CHAIN: own.head}))
    assert (chain.verdict, chain.first_bad) == (Verdict.TAMPERED, 7)


def test_a_rewritten_row_above_the_head_of_the_ledgers_own_chain_is_found_too(own):
    head = Head(4, own.nodes[3].digest)
    assert only(verify(own.rows, {LEDGER_CHAIN: head})).verdict is Verdict.WHOLE
    edited = [replace(each, line=each.line.replace("APPLY", "VERIFY")) if each.row == 8 else each for each in own.rows]
    assert only(verify(edited, {LEDGER_CHAIN: head})).first_bad == 8


# ---- the report


def test_the_report_is_data_and_sentences(ten, make_event, make_rows):
    killed, _ = link([make_event(3, run="killed")], Head(2, ten.nodes[1].digest))
    report = verify([*ten.rows, *make_rows(killed, 11), Row(12, CHAIN, "x")], {CHAIN: ten.head})
    lines = list(report.sentences())
    assert lines[0] == "local:orders/db: whole, 10 events anchored"
    assert lines[1].startswith("  not anchored: row 11 (seq 3): it is off the chain")
    assert lines[2] == "  not anchored: row 12 (seq unreadable): its line is no JSON object"
    assert report.document()["exit"] == 0
    assert canonical(report.document()["chains"][0]["loose"][0])


def test_many_rows_that_are_not_anchored_are_one_sentence(ten):
    head = Head(4, ten.nodes[3].digest)
    lines = list(verify(ten.rows, {CHAIN: head}).sentences())
    assert len(lines) == 2
    assert lines[1].startswith("  not anchored: 6 rows, from row 5 (seq 5) to row 10 (seq 10): it is above the head")


def test_a_report_without_heads_says_so_and_a_tampered_one_says_where(ten):
    lines = list(verify(ten.rows[1:], None).sentences())
    assert lines[0].startswith("local:orders/db: tampered at seq 1, 0 events anchored: ")
    assert lines[-1].startswith("no heads were compared")


def test_a_chains_name_from_a_hostile_ledger_moves_no_cursor():
    (line,) = verify([], {"evil\x1b[2J\u202e": None}).sentences()
    assert line.isprintable()
