"""`AwsSsm`: the destination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rotator.aws.answers import No
from rotator.aws.policy import allow_simulation, as_text, grantee
from rotator.aws.wire import Wire
from rotator.destination import Denied, Destination, Finding, Level, Place, PortError, Refused, Runtime, Secret, Unreachable
from rotator.destinations.aws_ssm.parameters import Parameter, Parameters
from rotator.destinations.aws_ssm.policy import GET, PUT, Policy
from rotator.destinations.aws_ssm.settings import AwsSsmSettings
from rotator.destinations.names import refuse_misnamed
from rotator.destinations.slot import filled, refuse_pieces, taken
from rotator.seam import Seam
from rotator.values import refuse_unfit

MOST = 4096
"""Bytes of a standard parameter (Systems Manager endpoints and quotas)."""


class AwsSsm(Destination[AwsSsmSettings]):
    """Parameters of one account and region; the place's path is the parameter's name, less the slash before it."""

    settings = AwsSsmSettings
    by_path = True
    staleness = 300.0  # AWS's Lambda extension reads anew after five minutes ("Using Parameter Store parameters in AWS Lambda functions")

    def __init__(self, settings: AwsSsmSettings, runtime: Runtime, *, seam: Seam | None = None) -> None:
        super().__init__(settings, runtime)
        self._policy = Policy(settings)
        self._wire = Wire(settings, settings, runtime, seam or Seam())
        self._parameters = Parameters(settings, self._wire, self._policy)
        self._asked: set[str] = set()
        """The parameters that this instance was asked for: `check` looks at the rights there."""

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:  # noqa: ARG002 - there is no room for them
        """Write a new version, and wait until it is what is read. What stands there already is not written again."""
        refuse_unfit(values)
        name = self._begin(place)
        what = f"publish at {name}"
        found = self._found(name, what)
        text = filled(found.value if found else "", values, self.config.format, name)
        if len(text.encode()) > MOST:
            raise Refused(f"the value for {name} is longer than {MOST} bytes", "publish fewer fields")
        if found is not None and found.value == text:
            return
        written = self._parameters.put(name, text, what, overwrite=found is not None)
        if written is None:
            raise Unreachable(f"{what}: another made it meanwhile", "the next try looks again")
        self._await(name, written, what)

    def published(self, place: Place) -> Mapping[str, Secret]:
        """The newest version, read afresh and decrypted."""
        name = self._begin(place)
        found = self._found(name, f"read {name}")
        return taken(found.value, place, self.config.format, name) if found else {}

    def check(self) -> list[Finding]:
        """The login, and each right on the parameters that this instance was asked for. Changes nothing."""
        self._wire.begin()
        try:
            return list(self._findings())
        except Denied as error:
            return [Finding(Level.FAIL, "place.missing", error.what, error.fix)]
        except PortError as error:
            return [Finding(Level.WARN, "privilege.unproven", error.what, error.fix)]

    def close(self) -> None:
        """Drop connections and the login."""
        self._wire.close()

    # ---- one parameter

    def _begin(self, place: Place) -> str:
        """The parameter's name."""
        refuse_misnamed(self.config, place)
        refuse_pieces(place, self.config.format)
        name = f"/{place.path}"
        self._asked.add(name)
        self._wire.begin()
        return name

    def _found(self, name: str, what: str) -> Parameter | None:
        found = self._parameters.get(name, what)
        if found is None and not self.config.create:
            raise Refused(f"there is no parameter {name} in {self.config.region}", "make it, correct `path`, or set `create: true`")
        return found

    def _await(self, name: str, version: int, what: str) -> None:
        """Until what is read is at least the version that was written."""
        tries = 0
        while True:
            found = self._parameters.get(name, what)
            if found is not None and found.version >= version:
                return
            tries += 1
            if self._wire.left < self._wire.reserve:
                raise Unreachable(f"{what}: version {version} was taken and is not shown yet", "the next run looks again")
            self._wire.pause(tries)

    # ---- looking

    def _findings(self) -> Iterator[Finding]:
        who = self._wire.identity("log in at AWS")
        account = "".join(who.split(":")[4:5])
        if self.config.account not in (None, account):
            text = f"the login belongs to account {account}, not {self.config.account}"
            yield Finding(Level.FAIL, "login", text, "use one of that account, or correct `account`")
            return
        for name in sorted(self._asked):
            yield from self._rights(who, name)

    def _rights(self, who: str, name: str) -> Iterator[Finding]:
        arn = self._policy.arn(name).replace(":*:", f":{''.join(who.split(':')[4:5])}:")
        answer = self._wire.simulate(grantee(who), [GET, PUT], [arn], self.config.region)
        if isinstance(answer, No):
            text = f"what the login may do could not be asked ({answer.code}); the first use will tell"
            yield Finding(Level.WARN, "privilege.unproven", text, allow_simulation(who))
            return
        allowed = {each.get("EvalActionName") for each in answer.get("EvaluationResults", ()) if each.get("EvalDecision") == "allowed"}
        missing = [each for each in (GET, PUT) if each not in allowed]
        if missing:
            text = f"no {', '.join(missing)} at {name}"
            yield Finding(Level.FAIL, "privilege.missing", text, f"its policy needs: {as_text(self._policy.parameters([name]))}")
