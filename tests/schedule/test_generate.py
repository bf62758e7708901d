from __future__ import annotations

from collections import Counter

import pytest

from rotator.generate import LEAST_BITS, check_policy, password, strength
from rotator.seam import Seam
from rotator.spec import DEFAULT_ALPHABET, PasswordPolicy


def test_a_password_has_its_length_and_its_alphabet_and_no_leading_dash():
    policy = PasswordPolicy()
    made = [password(policy, Seam()).reveal() for _ in range(2000)]
    assert {len(each) for each in made} == {32}
    assert set("".join(made)) == set(DEFAULT_ALPHABET)
    assert not any(each.startswith("-") for each in made)
    assert len(set(made)) == 2000


def test_every_character_is_about_as_likely():
    counts = Counter("".join(password(PasswordPolicy(), Seam()).reveal()[1:] for _ in range(2000)))
    expected = 2000 * 31 / len(DEFAULT_ALPHABET)
    assert all(0.7 * expected < count < 1.3 * expected for count in counts.values())


def test_the_usual_policy_is_strong():
    assert strength(PasswordPolicy()) > 190
    assert check_policy(PasswordPolicy()) is None


@pytest.mark.parametrize(
    ("length", "alphabet", "says"),
    [
        (31, DEFAULT_ALPHABET, "32 to 1024"),
        (1025, DEFAULT_ALPHABET, "32 to 1024"),
        (32, "", "128 bits"),
        (32, "-", "128 bits"),
        (32, "abc", "128 bits"),
        (32, "aa" + DEFAULT_ALPHABET, "twice"),
        (32, "abcdefghijklmnopqrstu vwxyz", "no blank"),
        (32, "abcdefghijklmnopqrstuvwxyzé", "ASCII"),
        (32, "abcdefghijklmnopqrstuvwxyz\n", "ASCII"),
    ],
)
def test_a_policy_out_of_bounds_is_refused(length, alphabet, says):
    assert says in (check_policy(PasswordPolicy(length, alphabet)) or "")


def test_the_bound_is_exact():
    hexadecimal = "0123456789abcdef"
    assert strength(PasswordPolicy(32, hexadecimal)) == LEAST_BITS
    assert check_policy(PasswordPolicy(32, hexadecimal)) is None
    assert check_policy(PasswordPolicy(32, hexadecimal[:-1])) is not None
