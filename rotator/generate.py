"""What a password looks like. Pure, but for the generator that the seam lends."""

from __future__ import annotations

from math import log2

from rotator.model import Secret
from rotator.seam import Seam
from rotator.spec import PasswordPolicy

LEAST_LENGTH = 32
MOST_LENGTH = 1024
LEAST_BITS = 128
_PRINTABLE = frozenset(map(chr, range(0x21, 0x7F)))


def check_policy(policy: PasswordPolicy) -> str | None:
    """What is wrong with this policy, in words; None where nothing is."""
    if not LEAST_LENGTH <= policy.length <= MOST_LENGTH:
        return f"a password has {LEAST_LENGTH} to {MOST_LENGTH} characters"
    if not set(policy.alphabet) <= _PRINTABLE:
        return "an alphabet holds printable ASCII characters only, and no blank"
    if len(set(policy.alphabet)) != len(policy.alphabet):
        return "a character stands twice in the alphabet: each must be as likely as the others"
    if strength(policy) < LEAST_BITS:
        return f"such passwords have less than {LEAST_BITS} bits: make them longer, or give more characters"
    return None


def strength(policy: PasswordPolicy) -> float:
    """Bits of a password of this policy, its first character drawn from the alphabet less `-`; 0 where there is no such character."""
    first = len(set(policy.alphabet) - {"-"})
    if not first:
        return 0.0
    return log2(first) + (policy.length - 1) * log2(len(set(policy.alphabet)))


def password(policy: PasswordPolicy, seam: Seam) -> Secret:
    """A new secret: each character drawn by the operating system's generator; never a leading `-` (it would be read as an option)."""
    first = seam.choice(policy.alphabet.replace("-", ""))
    return Secret(first + "".join(seam.choice(policy.alphabet) for _ in range(policy.length - 1)))
