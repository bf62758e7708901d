"""CHECK of an IAM user: all findings, each with what an operator can paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any

from rotator.target import Credential, Denied, Finding, Level, PortError, Refused
from rotator_aws_iam_key.answers import NOT_THERE
from rotator_aws_iam_key.policy import ACTIONS, SIMULATE, Arn, as_text, statement

if TYPE_CHECKING:
    from rotator_aws_iam_key.iam_key import IamKey

SLOTS = 2
"""Access keys of one user (IAM quotas)."""
ADOPT = "Find out which key consumers have, and adopt it: `rotator adopt NAME --from …`; another one ends with it by `--retire ID`"
"""Before adoption any key may be what consumers have: nothing that ends one is printed."""
FIRST = (
    "# first find out who uses it: after a restore it may be what consumers have, and is to be adopted; rotator itself ends it by"
    " `--retire {key}` of an adoption, or by `rotator resolve NAME --revoke {key}`; by hand:"
)
LAST = "# first find out that nobody uses {key}: it is accepted as another's, and rotator never touches it"
"""What stands before a command that ends a key."""


class Checkup:
    """One CHECK. Raises `Denied` where the admin cannot log in, `Unreachable` where AWS does not answer."""

    def __init__(self, target: IamKey, known: Sequence[Credential], accepted: Sequence[str]) -> None:
        self._target, self._ours, self._accepted = target, {each.name for each in known}, set(accepted)
        self._user = target.config.username

    def findings(self) -> list[Finding]:
        """All of them."""
        admin, elsewhere = self._target.caller(), self._target.elsewhere()
        if elsewhere is not None:
            return [Finding(Level.FAIL, "login", elsewhere.what, elsewhere.fix)]
        return [*self._admin(admin), *self._keys(), *self._privileges(admin)]

    def _admin(self, admin: Arn) -> list[Finding]:
        if admin.user == self._user:
            fix = "rotate this user with another admin"
            return [Finding(Level.FAIL, "self", f"the admin is {self._user} itself: its key would be the one that is deleted", fix)]
        return [Finding(Level.OK, "login", f"the admin is {admin.grantee}")]

    def _keys(self) -> list[Finding]:
        try:
            keys = self._target.listed()
        except Denied as error:
            return [Finding(Level.FAIL, "privilege.missing", error.what, error.fix)]
        except Refused as error:
            if error.code not in NOT_THERE:
                raise
            path = self._target.config.path
            fix = f"aws iam create-user --user-name {self._user}{'' if path == '/' else f' --path {quote(path)}'}"
            return [
                Finding(Level.FAIL, "principal.missing", f"there is no user {self._user} in account {self._target.caller().account}", fix)
            ]
        return [*self._strangers(keys), *self._slot([each["AccessKeyId"] for each in keys])]

    def _strangers(self, keys: Sequence[Mapping[str, Any]]) -> list[Finding]:
        whose = "is none of ours" if self._ours else "may be what consumers have: none is adopted yet"
        return [
            Finding(
                Level.WARN,
                "stray",
                f"key {each['AccessKeyId']} ({each.get('Status', 'status unknown')}, made {each.get('CreateDate')}) {whose}",
                self._removal(FIRST, each["AccessKeyId"]) if self._ours else ADOPT,
            )
            for each in keys
            if each["AccessKeyId"] not in self._ours | self._accepted
        ]

    def _removal(self, first: str, key: str) -> str:
        return f"{first.format(key=key)}\naws iam delete-access-key --user-name {self._user} --access-key-id {key}"

    def _slot(self, ids: Sequence[str]) -> list[Finding]:
        if len(ids) < SLOTS:
            return [Finding(Level.OK, "ok", f"{len(ids)} of {SLOTS} keys in use")]
        others = [each for each in ids if each not in self._ours]
        if not others:
            return [Finding(Level.OK, "ok", "both keys are ours: the old one goes before the next comes")]
        text = f"both keys are in use ({', '.join(ids)}): no room for a new one"
        if not self._ours:
            return [Finding(Level.FAIL, "slot.none", text, ADOPT)]
        accepted = others[0] in self._accepted  # one of two is ours
        whose = "is accepted as another's" if accepted else "is none of ours"
        return [Finding(Level.FAIL, "slot.none", f"{text}; {others[0]} {whose}", self._removal(LAST if accepted else FIRST, others[0]))]

    def _privileges(self, admin: Arn) -> list[Finding]:
        source = admin.grantee
        try:
            answer = self._target.ask(
                "simulate_principal_policy",
                SIMULATE,
                PolicySourceArn=source,
                ActionNames=list(ACTIONS),
                ResourceArns=[self._target.arn()],
            )
        except PortError as error:
            text = f"what the admin may do could not be asked ({error.code or 'no answer'}); the first use will tell"
            return [Finding(Level.WARN, "privilege.unproven", text, as_text(statement([SIMULATE], source)))]
        allowed = {each.get("EvalActionName") for each in answer.get("EvaluationResults", ()) if each.get("EvalDecision") == "allowed"}
        missing = [each for each in ACTIONS if each not in allowed]
        if missing:
            return [Finding(Level.FAIL, "privilege.missing", f"the admin may not {', '.join(missing)}", self._target.grant(missing))]
        return [Finding(Level.OK, "ok", "the admin has every privilege (simulated, nothing was done)")]
