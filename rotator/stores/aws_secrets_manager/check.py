"""What an operator should know before the first write: the login, what stands at each path, and each right that later calls need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rotator.aws.answers import No
from rotator.aws.policy import allow_simulation, as_text, grantee
from rotator.aws.wire import Wire
from rotator.errors import Denied, Unreachable
from rotator.model import Finding, Level
from rotator.stores.aws_secrets_manager.policy import LIST, OWN, PLACE, READ, Policy
from rotator.stores.aws_secrets_manager.secrets import Secrets, refuse_unwritable
from rotator.stores.aws_secrets_manager.settings import AwsSecretsManagerSettings


class Checkup:
    """One check of a store. `asked`: the paths that it was asked for, and whether for a record. Changes nothing."""

    def __init__(
        self, settings: AwsSecretsManagerSettings, secrets: Secrets, wire: Wire, policy: Policy, asked: Mapping[str, bool]
    ) -> None:
        self._settings, self._secrets, self._wire, self._policy, self._asked = settings, secrets, wire, policy, asked

    def findings(self) -> Iterator[Finding]:
        """All of them."""
        try:
            found = list(self._all())
        except Denied as error:
            found = [Finding(Level.FAIL, "store", error.what, error.fix)]
        yield from found

    def _all(self) -> Iterator[Finding]:
        try:
            who = self._wire.identity("log in at AWS")
        except Unreachable as error:  # a network may have a way to Secrets Manager alone
            text = f"who logs in could not be asked of STS ({error.code})"
            yield Finding(Level.WARN, "privilege.unproven", text, "open the way to it, or write `sts_endpoint_url`")
            who = ""
        wrong = list(self._account(who)) if who else []
        yield from wrong
        if not any(each.level is Level.FAIL for each in wrong):
            yield from self._region()
            yield from self._secrets_there()
            yield from self._rights(who) if who else ()

    def _account(self, who: str) -> Iterator[Finding]:
        account = "".join(who.split(":")[4:5])
        wanted = self._settings.account
        if wanted is not None and account != wanted:
            yield Finding(
                Level.FAIL,
                "login",
                f"the login belongs to account {account}, not {wanted}",
                "use one of that account, or correct `account`",
            )
        if who.endswith(":root"):
            yield Finding(
                Level.WARN, "principal.superuser", "the login is the account's root user", "use a role with the policy of the docs alone"
            )

    def _region(self) -> Iterator[Finding]:
        """A region that boto3 does not know is most likely mistyped; with an endpoint of its own it does not matter."""
        if self._settings.endpoint_url is None and not self._wire.knows_region():
            yield Finding(Level.WARN, "store", f"boto3 knows no region {self._settings.region}", "correct `region`, or update boto3")

    def _secrets_there(self) -> Iterator[Finding]:
        for path, record in self._asked.items():
            if not self._settings.replica:
                yield from self._look(path, lambda actions, path=path: self._policy.place(path, actions))
            if record:
                yield from self._look(f"{self._settings.prefix}/records/{path}", self._policy.own)

    def _look(self, name: str, line: Any) -> Iterator[Finding]:
        try:
            about = self._secrets.about(name, f"look at {name}", line)
            refuse_unwritable(name, about, self._settings.region)
        except Denied as error:
            yield Finding(Level.FAIL, "store", error.what, error.fix)
            return
        wanted, key = self._settings.kms_key, (about or {}).get("KmsKeyId")
        if about is not None and wanted is not None and key != wanted and not str(key).endswith(wanted.rpartition("/")[2]):
            fix = f"`aws secretsmanager update-secret --secret-id {name} --kms-key-id {wanted}`"
            yield Finding(Level.WARN, "store", f"{name} is encrypted with another key than `kms_key`", fix)

    # ---- rights

    def _wanted(self) -> Iterator[tuple[tuple[str, ...], str, dict[str, Any]]]:
        """Actions, the resource, and the statement that covers them."""
        policy = self._policy
        for path, record in (self._asked or {"rotator.check": True}).items():
            if record:
                yield OWN, policy.arn(f"{self._settings.prefix}/records/{path}"), policy.own()
            if not self._settings.replica:
                yield OWN, policy.arn(f"{self._settings.prefix}/places/{path}"), policy.own()
            if self._asked:
                needed = (READ,) if self._settings.replica else PLACE
                yield needed, policy.arn(f"{path}-AbCdEf"), policy.place(path, needed)
        if any(self._asked.values()):
            yield (LIST,), "*", policy.listing()

    def _rights(self, who: str) -> Iterator[Finding]:
        level, code = (Level.FAIL, "privilege.missing") if self._asked else (Level.WARN, "privilege.unproven")
        told = set[str]()
        for actions, resource, statement in self._wanted():
            answer = self._wire.simulate(grantee(who), [f"secretsmanager:{each}" for each in actions], [resource], self._settings.region)
            if isinstance(answer, No):
                text = f"what the login may do could not be asked ({answer.code}); the first use will tell"
                yield Finding(Level.WARN, "privilege.unproven", text, allow_simulation(who))
                return
            allowed = {each.get("EvalActionName") for each in answer.get("EvaluationResults", ()) if each.get("EvalDecision") == "allowed"}
            missing = [each for each in actions if f"secretsmanager:{each}" not in allowed]
            if missing and as_text(statement) not in told:
                told.add(as_text(statement))
                yield Finding(level, code, f"no {', '.join(missing)} at {resource}", f"its policy needs: {as_text(statement)}")
