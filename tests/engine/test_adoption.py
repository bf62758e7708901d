"""What is taken over, whose it is, and whose it is not."""

from dataclasses import replace

import pytest
from labs import crash_at, due, living, names, rotated, with_target

from rotator.errors import Exit
from rotator.model import Finding, Level
from rotator.record import Identity
from rotator.rotate import Adopt, Resolve
from rotator.testing.lab import PATH, SHAPES, Lab, in_memory
from rotator.testing.twins import TwinKey, TwinUser


def test_what_nobody_adopted_is_never_rotated(shape):
    lab = Lab(shape, in_memory())
    result = lab.run(named=True, forced=True)
    assert (result.exit, result.why) == (Exit.HUMAN, "adopt")
    assert "rotator adopt orders-db" in result.fix
    assert lab.record().revision is None


def test_a_dry_run_says_what_adopting_anew_would_kill(shape):
    lab = Lab(shape, in_memory())
    told = lab.dry().message
    assert "--new" in told
    assert ("would stop working" in told) == (not shape.startswith("issue"))


@pytest.mark.parametrize("shape", [each for each in SHAPES if each != "issue, two slots"])
def test_adopting_anew_is_a_first_rotation(shape):
    lab = Lab(shape, in_memory())
    lab.oracle.start()
    lab.oracle.human_broke_current = True
    result = lab.run(Adopt(new=True))
    assert result.exit is Exit.DONE
    assert {"VERIFY", "PROMOTE", "PUBLISH"} <= set(names(result))
    assert lab.shown("env") == lab.shown("local")


def test_adopting_anew_is_refused_where_there_is_a_current_that_works(shape):
    result = due(shape).run(Adopt(new=True))
    assert (result.why, result.exit) == ("refused", Exit.FAILED)
    assert "--force" in result.fix


def test_adoption_is_refused_while_a_rotation_is_unfinished(shape):
    lab = due(shape)
    lab.run(plan=crash_at("login", 2))
    assert lab.record().pending is not None
    assert lab.run(Adopt(credential=lab.first)).why == "refused"


def test_adoption_is_refused_where_the_others_leave_no_slot():
    lab = Lab("issue, two slots", in_memory())
    lab.system.keys["key-other"] = TwinKey("another-secret-0123456789-0123456789", lab.seam.now())
    lab.oracle.strangers.add(("key-other", "another-secret-0123456789-0123456789"))
    lab.oracle.start()
    refused = lab.run(Adopt(credential=lab.first))
    assert (refused.why, "--retire" in refused.fix) == ("refused", True)
    assert lab.run(Adopt(credential=lab.first, retire="key-nobody")).why == "refused"
    assert lab.run(Adopt(new=True)).why == "refused"
    lab.oracle.strangers.clear()
    assert lab.run(Adopt(credential=lab.first, retire="key-other")).why == "grace"
    lab.at(1_500)
    lab.run()
    lab.at(2_000)
    assert lab.run().why == "at rest"
    assert living(lab) == ["key-0"]


def test_other_ids_are_accepted_at_adoption_and_left_alone():
    lab = Lab("issue, labels", in_memory())
    lab.system.keys["key-other"] = TwinKey("another-secret-0123456789-0123456789", lab.seam.now())
    lab.oracle.strangers.add(("key-other", "another-secret-0123456789-0123456789"))
    lab.adopt()
    lab.at(10_010)
    lab.run()
    lab.clean_runs()
    assert "key-other" in living(lab)
    assert lab.oracle.violations == []


def test_a_place_that_shows_a_stranger_s_value_is_overwritten_only_when_asked(shape):
    lab = Lab(shape, in_memory())
    lab.storage.env.values["env"] = '{"fields": {"USER": "somebody", "PASSWORD": "else"}}'
    lab.oracle.start()
    refused = lab.run(Adopt(credential=lab.first))
    assert (refused.why, "--overwrite" in refused.fix) == ("refused", True)
    assert lab.run(Adopt(credential=lab.first, overwrite=frozenset({"env"}))).exit is Exit.DONE
    assert lab.shown("env")[0] == lab.first.name


def test_a_stranger_s_value_in_a_place_stops_the_run_until_it_is_resolved(shape):
    lab = rotated(shape)
    kept = lab.storage.env.values["env"]
    lab.storage.env.values["env"] = '{"fields": {"USER": "somebody", "PASSWORD": "else"}}'
    stopped = lab.run()
    assert (stopped.exit, stopped.why) == (Exit.HUMAN, "foreign_change of place")
    assert ("not overwritten: env" in stopped.message, stopped.fix.endswith("`rotator resolve orders-db --overwrite env`")) == (True, True)
    assert "somebody" in lab.storage.env.values["env"]
    assert lab.run(Resolve(overwrite=frozenset({"nowhere"}))).why == "refused"
    assert lab.run(Resolve(overwrite=frozenset({"env"}))).exit is Exit.DONE
    assert lab.storage.env.values["env"] == kept or lab.shown("env") == lab.shown("local")


def test_another_runner_s_lease_is_waited_out_and_a_dead_one_s_taken_over(shape):
    lab = due(shape)
    lab.run(plan=crash_at("mint" if shape.startswith("issue") else "set secret"), home="elsewhere")
    busy = lab.run()
    assert (busy.exit, busy.why) == (Exit.BUSY, "lease")
    assert lab.run(home="elsewhere").exit is Exit.DONE
    assert any(each.event == "lease.taken_over" for each in lab.ledger.events)


def test_another_identity_is_left_alone_until_adopted_anew(shape):
    lab = due(shape)
    lab.spec = replace(lab.spec, identity=Identity("production", "twin", "elsewhere", lab.spec.principals))
    assert (lab.run().why, lab.run().exit) == ("identity", Exit.HUMAN)
    assert lab.run(Adopt(credential=lab.first)).exit is Exit.DONE
    assert lab.run().exit is Exit.DONE


def test_a_record_of_a_newer_format_is_left_alone(shape):
    lab = due(shape)
    store = lab.storage.store(lab.runtime())
    store.write(PATH, lab.record().but(format=2))
    result = lab.run()
    assert (result.why, result.exit) == ("format", Exit.HUMAN)


def test_a_record_that_is_no_record_is_never_taken_for_empty():
    lab = Lab("in place", in_memory())
    store = lab.storage.store(lab.runtime())
    store.shelf.records[PATH] = (7, '{"format": "nonsense"}')
    result = lab.run(Adopt(credential=lab.first))
    assert result.exit is Exit.HUMAN


def test_a_renamed_spec_keeps_its_record_and_leaves_one_event(shape):
    lab = due(shape)
    lab.spec = replace(lab.spec, name="orders-main")
    lab.run()
    lab.at(10_020)
    lab.run()
    assert sum(each.event == "spec.renamed" for each in lab.ledger.events) == 1


def test_after_a_lost_record_no_fence_at_the_target_is_in_the_way():
    lab = Lab("in place", in_memory())
    lab.system.fence = 5_000
    lab.adopt()
    lab.at(10_010)
    assert lab.run().exit is Exit.DONE


def test_what_is_retired_at_adoption_is_no_stranger_that_fills_the_last_slot():
    lab = Lab("issue, two slots", in_memory())
    lab.system.keys["key-old"] = TwinKey("an-old-secret-0123456789-0123456789", lab.seam.now() - 500)
    lab.oracle.start()

    def full(_self, known, accepted=()):
        free = {"key-0", "key-old"} <= {each.name for each in known} | set(accepted)
        return [] if free else [Finding(Level.FAIL, "slot.none", "no slot is free", "give one up")]

    assert with_target(lab, check=full).run(Adopt(credential=lab.first, retire="key-old")).exit is Exit.DONE


@pytest.mark.parametrize("shape", ["alternating", "overlapping"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_second_one_that_is_given_up_does_not_outlive_a_crash_of_the_adoption(shape, nth):
    lab = Lab(shape, in_memory())
    second = "a-second-secret-of-a-human-0123456789"
    if shape == "alternating":
        lab.system.users["app_b"] = TwinUser([second])
    else:
        lab.system.users["app"].secrets.append(second)
    lab.oracle.start()
    asked = Adopt(credential=lab.first, take_second=True)
    lab.run(asked, plan=crash_at(["take the second", "write record ADOPT", "publish"][nth - 1]))
    if lab.record().current is None:
        assert lab.run(asked).exit is Exit.DONE
    lab.clean_runs()
    assert lab.record().current is not None
    assert not any(secret == second for _, secret in lab.system.living())
