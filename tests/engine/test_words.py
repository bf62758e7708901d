"""A plugin's own words: shown, unless a secret stands in them."""

from dataclasses import replace

import pytest
from labs import due, with_target

from rotator.errors import Denied, Exit, Unreachable
from rotator.model import Credential, Finding, Level, Secret
from rotator.rotate import Adopt
from rotator.rotate.door import HIDDEN
from rotator.rotate.messages import ENDS, IN_PLACE
from rotator.testing.lab import Lab, in_memory


def test_a_plugin_s_own_exception_shows_only_its_type():
    lab = due("in place")
    secret = lab.first.secret.reveal()

    def broken(_self, _credential, _keep):
        raise ValueError(f"syntax error near '{secret}'")

    result = with_target(lab, apply=broken).run()
    assert result.exit is Exit.FAILED
    assert "ValueError" in result.message
    assert secret not in repr(result)
    assert lab.record().pending is not None


def test_a_secret_in_a_plugin_s_own_words_is_not_shown():
    lab = due("in place")
    secret = lab.first.secret.reveal()

    def talkative(_self, _credential, _keep):
        raise Denied(f"login with {secret} refused", f"try {secret}")

    result = with_target(lab, apply=talkative).run()
    assert "held a secret" in result.message
    assert secret not in repr(result) + "".join(each.line() for each in lab.ledger.events)


def test_a_new_secret_in_the_words_of_the_store_that_was_to_keep_it_is_not_shown():
    lab = due("in place")
    made, sent = lab.ports, []

    def ports():
        given = made()
        write = given.store.write

        def fails(path, record):
            if not record.pending:
                return write(path, record)
            sent.append(record.pending.credential.secret.reveal())
            raise Unreachable(f"PUT failed: {sent[-1]}")

        given.store.write = fails
        return given

    lab.ports = ports
    result = lab.run()
    assert HIDDEN in result.message
    assert sent[0] not in result.message + repr([vars(each) for each in lab.ledger.events])


def test_the_secret_that_is_being_adopted_is_not_shown_either():
    lab = Lab("in place", in_memory())
    lab.oracle.start()

    def talkative(_self, credential):
        raise Unreachable(f"login with {credential.secret.reveal()} failed")

    result = with_target(lab, verify=talkative).run(Adopt(credential=lab.first))
    assert "held a secret" in result.message
    assert lab.first.secret.reveal() not in repr(result) + "".join(each.line() for each in lab.ledger.events)


ADMIN = Secret("the-admins-own-password-0123456789")


def knows_admin(lab, **methods):
    """The lab's ports, with a plugin that has been given the admin's password."""
    made = with_target(lab, **methods).ports
    lab.ports = lambda: replace(made(), revealed=[ADMIN])
    return lab


def test_the_secret_that_the_plugin_itself_logs_in_with_is_not_shown_either():
    def talkative(_self, _credential, _keep):
        raise Denied(f"admin:{ADMIN.reveal()} refused")

    lab = knows_admin(due("in place"), apply=talkative)
    result = lab.run()
    assert "held a secret" in result.message
    assert ADMIN.reveal() not in repr(result) + "".join(each.line() for each in lab.ledger.events)


def test_a_finding_with_a_secret_in_its_words_keeps_its_level_and_code_alone():
    def talkative(_self, _known, _accepted=()):
        return [Finding(Level.FAIL, "login", "no right", f"log in with {ADMIN.reveal()}")]

    result = knows_admin(due("in place"), check=talkative).run()
    assert result.why == "check"
    assert [(each.level, each.code) for each in result.findings] == [(Level.FAIL, "login")]
    assert "held a secret" in result.findings[0].text
    assert ADMIN.reveal() not in repr(result)


def test_a_run_says_done_only_of_what_it_has_done_to_its_end():
    lab = due("in place", changes={"grace": 0.0})

    def unproven(_self, _credential):
        raise Unreachable("no answer")

    result = with_target(lab, confirm_dead=unproven).run()
    assert result.exit is Exit.FAILED
    assert "CONFIRM" in [each.name for each in result.steps]
    assert "rotated" in result.message
    assert "proven dead" not in result.message


def test_advice_names_the_spec_and_no_placeholder():
    for end in (*ENDS.values(), *IN_PLACE.values()):
        assert "NAME" not in (end.fix or "").format(spec="orders-db")


@pytest.mark.parametrize("odd", ["caf\udce9-password", "\ud800"], ids=["a byte that was no UTF-8", "half a character"])
def test_a_secret_that_has_no_utf8_is_compared_and_stays_out_of_errors(odd):
    assert Secret(odd).matches(Secret(odd))
    assert not Secret(odd).matches(Secret("caf-password"))
    assert Credential(name="app", secret=Secret(odd)).same(Credential(name="app", secret=Secret(odd)))
