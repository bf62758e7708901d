"""What a password looks like. Pure, but for the generator that the seam lends."""

from __future__ import annotations

from math import log2

from rotator.model import Secret
from rotator.seam import Seam
from rotator.spec import PasswordPolicy

LEAST_LENGTH = 32
LEAST_BITS = 128


def strength(policy: PasswordPolicy) -> float:
    """Bits of a password of this policy, its first character drawn from the alphabet less `-`."""
    first = len(set(policy.alphabet) - {"-"})
    return log2(first) + (policy.length - 1) * log2(len(set(policy.alphabet)))


def password(policy: PasswordPolicy, seam: Seam) -> Secret:
    """A new secret: each character drawn by the operating system's generator; never a leading `-` (it would be read as an option)."""
    first = seam.choice(policy.alphabet.replace("-", ""))
    return Secret(first + "".join(seam.choice(policy.alphabet) for _ in range(policy.length - 1)))
