"""A key that the record does not know: with this spec's own label it goes as every old one does, any other waits for a human."""

from dataclasses import replace
from hashlib import sha256

import pytest
from expiring import expires_at
from labs import LABEL, at_rest, due, fault_at, living, restored, touched

from rotator.errors import Exit
from rotator.rotate import Compromise, HoldUntil, Resolve
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.lab import PATH, START, EverySlot
from rotator.testing.twins import TwinKey

ID = "00000000-0000-7000-8000-00000000abcd"
SECRET = "late-secret-0123456789-0123456789"


def with_orphan(label=LABEL, shape="issue, labels"):
    """A lab at rest, and a key that its record does not know."""
    lab = at_rest(shape)
    lab.system.keys["key-late"] = TwinKey(SECRET, lab.seam.now(), label=label)
    touched(lab)
    lab.seam.t += 100
    return lab


def all_restored():
    """Record and values are from before the last rotation; what that has minted works, and a consumer may have it in its memory."""
    lab = at_rest("issue, labels")
    shelf = lab.truth.shelf
    old, values, env = shelf.records[PATH][1], shelf.values[PATH], lab.storage.env.values["env"]
    lab.at(20_010)
    lab.run()
    restored(lab, old)
    shelf.values[PATH], lab.storage.env.values["env"] = values, env
    lab.oracle._flips()
    lab.oracle.human_broke_current = False
    lab.spec = lab.oracle.spec = replace(lab.spec, when=EverySlot(1e9))
    lab.seam.t += 400
    return lab


# ---- ours


def test_after_a_restore_of_all_the_key_that_consumers_may_hold_has_its_whole_grace():
    lab = all_restored()
    newer = next(each for each in living(lab) if each != lab.record().current.credential.name)
    assert (lab.run(named=True).why, newer in living(lab)) == ("grace", True)
    assert lab.record().previous.credential.name == newer
    for wait in (900, 200, 300):
        lab.seam.t += wait
        last = lab.run()
        if wait == 900:
            assert newer in living(lab)
    assert (last.exit, newer in living(lab)) == (Exit.DONE, False)
    assert lab.oracle.violations == []


@pytest.mark.parametrize("expires", [500, -5])
def test_after_a_restore_of_all_the_key_that_consumers_may_hold_has_its_grace_though_the_restored_one_expires(expires):
    lab = all_restored()
    current = lab.record().current.credential
    newer = next(each for each in living(lab) if each != current.name)
    expires_at(lab, lab.seam.t + expires - START)
    if expires < 0:
        del lab.system.keys[current.name]
        touched(lab, broke=True)
    lab.run(named=True)
    assert newer in living(lab)
    assert lab.oracle.violations == []


def test_an_orphan_of_ours_may_be_held_as_any_old_one():
    lab = with_orphan()
    lab.run()
    assert lab.run(HoldUntil("a consumer has it", 50_000.0), named=True).why == "hold"
    lab.seam.t += 5_000
    assert (lab.run(named=True).why, "key-late" in living(lab)) == ("hold", True)


def test_a_dry_run_tells_that_an_orphan_of_ours_becomes_the_old_one():
    lab = with_orphan()
    before = lab.documents()
    foreseen = lab.dry()
    assert [(str(each.name), each.phase) for each in foreseen.steps if each.name == "SWEEP"] == [("SWEEP", "keep")]
    assert (foreseen.why, lab.documents()) == ("grace", before)
    assert [str(each.name) for each in lab.run().steps] == [str(each.name) for each in foreseen.steps]


def test_of_several_orphans_of_ours_one_goes_after_the_other():
    lab = with_orphan()
    lab.system.keys["key-later"] = TwinKey(SECRET + "x", lab.seam.now(), label=LABEL)
    touched(lab)
    for _ in range(8):
        lab.seam.t += 700
        lab.run()
    assert living(lab) == [lab.record().current.credential.name]


def gone_meanwhile(lab):
    """A plan in which somebody deletes the orphan after CHECK has listed it."""
    lists = iter(range(99))

    def delete():
        lab.system.keys.pop("key-late")
        touched(lab)

    class Meanwhile(FaultPlan):
        def effect(self, name, kind, call):
            if name == "list" and next(lists) == 1:
                delete()
            return super().effect(name, kind, call)

    return Meanwhile({})


@pytest.mark.parametrize("command", [None, Compromise("current")])
def test_an_orphan_that_is_gone_when_it_is_looked_for_again_does_not_keep_the_run_from_ending(command):
    lab = with_orphan()
    before = lab.record().current.id
    result = lab.run(command, named=True, plan=gone_meanwhile(lab))
    assert (result.exit, result.why, lab.record().previous) == (Exit.DONE, "at rest", None)
    assert (lab.record().current.id == before, living(lab)) == (command is None, [lab.record().current.credential.name])


def test_an_orphan_that_was_gone_when_it_was_looked_for_again_is_not_said_to_be_on_its_way_out():
    lab = with_orphan()
    result = lab.run(named=True, plan=gone_meanwhile(lab))
    assert "on its way out" not in result.message


# ---- anybody else's


@pytest.mark.parametrize(
    "label",
    [
        f"terraform run {ID}",
        f"rotator {ID}",
        f"rotator {sha256(b'staging:orders/db').hexdigest()[:8]}-{ID}",
        f"rotator {sha256(b'test:orders/other').hexdigest()[:8]}-{ID}",
        LABEL[:-1],
    ],
)
@pytest.mark.parametrize("command", [None, Compromise("current")])
def test_a_key_with_the_label_of_another_environment_path_or_tool_is_not_touched(label, command):
    lab = with_orphan(label)
    lab.oracle.strangers.add(("key-late", SECRET))
    for each in (command, None, None):
        last = lab.run(each, named=True)
        lab.seam.t += 2000
    assert (last.exit, last.why, "key-late" in last.message) == (Exit.HUMAN, "orphan.suspect", True)
    assert "key-late" in living(lab)
    assert lab.oracle.violations == []


def test_an_unknown_mint_is_looked_for_among_the_labels_of_this_spec_alone():
    lab = due("issue, labels")
    lab.run(plan=fault_at("mint", Fault.CRASH_AFTER))
    other = f"rotator {sha256(b'staging:orders/db').hexdigest()[:8]}-{ID}"
    lab.system.keys["key-other"] = TwinKey(SECRET, lab.seam.now(), label=other)
    lab.oracle.strangers.add(("key-other", SECRET))
    touched(lab)
    lab.seam.t += 400
    lab.run(named=True)
    assert "key-other" in living(lab)
    assert "key-1" not in living(lab)


def test_two_environments_at_one_provider_leave_each_other_s_keys_alone():
    one = at_rest("issue, labels")
    label = one.system.keys[one.record().current.credential.name].label
    assert sha256(b"test:orders/db").hexdigest()[:8] in label
    assert one.spec.ours.search(label)


# ---- what a human has decided


def suspect(shape="issue, two slots"):
    """A stranger's key, at rest."""
    lab = at_rest(shape)
    lab.system.keys["key-x"] = TwinKey(SECRET, lab.seam.now() - 50, label="x")
    touched(lab)
    assert lab.run(named=True).why == "orphan.suspect"
    return lab


@pytest.mark.parametrize("shape", ["issue, two slots", "issue, labels"])
def test_a_revocation_that_fails_in_mid_way_is_ended_by_the_next_run(shape):
    lab = suspect(shape)
    failed = lab.run(Resolve(revoke="key-x"), named=True, plan=fault_at("revoke orphan", Fault.DENIED))
    assert (failed.exit, "key-x" in lab.system.keys) == (Exit.FAILED, True)
    lab.seam.t += 60
    result = lab.run(named=True)
    assert (result.exit, "key-x" in lab.system.keys, lab.record().doomed) == (Exit.DONE, False, ())


def test_a_revocation_that_fails_in_mid_way_may_be_asked_again():
    lab = suspect()
    lab.run(Resolve(revoke="key-x"), named=True, plan=fault_at("revoke orphan", Fault.DENIED))
    assert lab.run(Resolve(revoke="key-x"), named=True).exit is Exit.DONE
    assert "key-x" not in lab.system.keys


def test_what_a_revocation_has_switched_off_is_switched_on_where_it_is_accepted_after_all():
    lab = suspect()
    lab.run(Resolve(revoke="key-x"), named=True, plan=fault_at("revoke orphan", Fault.DENIED))
    assert not lab.system.keys["key-x"].enabled
    result = lab.run(Resolve(accept="key-x"), named=True)
    assert (result.exit, lab.system.keys["key-x"].enabled) == (Exit.DONE, True)
    lab.seam.t += 60
    assert lab.run(named=True).exit is Exit.DONE
    assert "key-x" in living(lab)


@pytest.mark.parametrize("fault", [Fault.DENIED, Fault.CRASH_BEFORE])
def test_what_could_not_be_switched_on_again_is_not_forgotten(fault):
    lab = suspect()
    lab.run(Resolve(revoke="key-x"), named=True, plan=fault_at("revoke orphan", Fault.DENIED))
    lab.run(Resolve(accept="key-x"), named=True, plan=fault_at("enable", fault))
    lab.seam.t += 60
    again = lab.run(Resolve(accept="key-x"), named=True)
    last = lab.run(named=True)
    assert lab.system.keys["key-x"].enabled or Exit.DONE not in (again.exit, last.exit)


def test_a_key_of_a_human_s_that_is_ended_by_the_next_run_is_not_called_ours():
    lab = suspect()
    lab.run(Resolve(revoke="key-x"), named=True, plan=fault_at("revoke orphan", Fault.DENIED))
    result = lab.run(named=True)
    assert "of ours" not in result.message


def out_of_slots():
    """A mint whose key nobody has written down takes the last slot; a human has decided something else before it was looked for."""
    lab = due("issue, two slots")
    lab.run(plan=fault_at("mint", Fault.CRASH_AFTER))
    lab.seam.t += 400
    lab.storage.env.values["env"] = '{"fields": {"USER": "key-1", "PASSWORD": "else"}}'
    lab.run(Resolve(overwrite=frozenset({"env"})), named=True)
    lab.seam.t += 60
    return lab


def test_where_no_slot_is_free_the_ids_that_nobody_knows_are_named_with_the_command_that_frees_one():
    lab = out_of_slots()
    lab.storage.env.values.clear()
    result = lab.run(named=True)
    assert (result.exit, result.why) == (Exit.FAILED, "failed")
    assert "key-1" in (result.fix or "")
    assert "`rotator resolve orders-db --revoke ID`" in result.fix
    assert lab.run(Resolve(revoke="key-1"), named=True).exit is Exit.DONE
    assert "key-1" not in lab.system.keys


def test_where_no_slot_is_free_and_a_place_shows_somebody_s_value_the_printed_commands_lead_out():
    lab = out_of_slots()
    result = lab.run(named=True)
    for _ in range(6):
        if "--revoke key-1 --overwrite PLACE" in (result.fix or ""):
            result = lab.run(Resolve(revoke="key-1", overwrite=frozenset({"env"})), named=True)
        elif "resolve orders-db --overwrite env" in (result.fix or ""):
            result = lab.run(Resolve(overwrite=frozenset({"env"})), named=True)
        elif "--revoke ID" in (result.fix or ""):
            result = lab.run(Resolve(revoke="key-1"), named=True)
        lab.seam.t += 60
    assert (result.exit, "key-1" in lab.system.keys) == (Exit.DONE, False)


@pytest.mark.parametrize("first_read", ["answers", "fails"])
def test_what_a_place_that_was_given_up_shows_lives_through_its_grace_also_where_it_cannot_be_read_at_first(first_read):
    lab = with_orphan()
    lab.storage.env.values["env"] = f'{{"fields": {{"USER": "key-late", "PASSWORD": "{SECRET}"}}}}'
    assert lab.run(Compromise(), named=True).why == "orphan.suspect"
    plan = fault_at("read place", Fault.ERROR, 2) if first_read == "fails" else None
    result = lab.run(Resolve(overwrite=frozenset({"env"})), named=True, plan=plan)
    assert (result.why, living(lab)) == ("grace", ["key-2", "key-late"])
    assert lab.oracle.violations == []


def test_an_id_that_is_a_secret_is_not_told_where_it_becomes_the_old_one():
    lab = at_rest("issue, labels")
    secret = lab.record().current.credential.secret.reveal()
    lab.system.keys[secret] = TwinKey("late-secret-0123456789-0123456789", lab.seam.now(), label=LABEL)
    lab.oracle.living = lab.system.living()
    result = lab.run(named=True)
    assert (result.why, lab.record().previous.credential.name == secret) == ("grace", True)
    assert not any(secret in (each.reason or "") for each in lab.ledger.events)
    assert secret not in repr(result)
