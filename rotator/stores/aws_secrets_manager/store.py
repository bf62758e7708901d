"""The store over its parts: records, places, and what an operator should know before the first write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from rotator.aws.wire import Wire
from rotator.errors import Denied, Refused
from rotator.model import Finding, Place, Secret
from rotator.record import Record
from rotator.seam import Seam
from rotator.store import Limits, Runtime, Store
from rotator.stores.aws_secrets_manager.check import Checkup
from rotator.stores.aws_secrets_manager.places import MOST, Places
from rotator.stores.aws_secrets_manager.policy import Policy
from rotator.stores.aws_secrets_manager.records import Records
from rotator.stores.aws_secrets_manager.secrets import Secrets
from rotator.stores.aws_secrets_manager.settings import AwsSecretsManagerSettings
from rotator.values import refuse_unfit

LONGEST = 512
"""Characters of a secret's name (Secrets Manager quotas)."""
_PATH = re.compile(r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)*")


class AwsSecretsManager(Store[AwsSecretsManagerSettings]):
    """Records and visible secrets in one account and region."""

    settings = AwsSecretsManagerSettings
    limits = Limits(max_bytes=MOST, writes_per_day=100, keeps_old_documents=True)
    staleness = 3600.0
    """AWS's own caching libraries refresh hourly by default (aws-secretsmanager-caching, `secret_refresh_interval`)."""
    by_path = True

    def __init__(self, settings: AwsSecretsManagerSettings, runtime: Runtime, *, seam: Seam | None = None) -> None:
        super().__init__(settings, runtime)
        seam = seam or Seam()
        self._policy = Policy(settings)
        self._wire = Wire(settings, settings, runtime, seam)
        self._secrets = reader = Secrets(self._wire, settings.kms_key)
        self._as_consumer = Wire(settings, settings.consumer, runtime, seam) if settings.consumer is not None else None
        if self._as_consumer is not None:
            reader = Secrets(self._as_consumer, None)
        self._records = Records(self._secrets, self._wire, self._policy, settings.prefix, self.limits, seam)
        self._places = Places(self._secrets, reader, self._wire, settings, self._policy, seam)
        self._asked: dict[str, bool] = {}
        """The paths that this instance was asked for, and whether for a record: `check` looks at the rights there."""

    def read(self, path: str) -> Record:
        """See `Store.read`."""
        self._begin(path, record=True)
        return self._records.read(path)

    def write(self, path: str, record: Record) -> Record:
        """See `Store.write`."""
        self._begin(path, record=True)
        return self._records.write(path, record)

    def paths(self) -> list[str]:
        """All records by their names. AWS lists what is new some minutes late; one that is scheduled for deletion is still among them."""
        self._begin(record=True)
        return self._records.paths()

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """AWSCURRENT is moved from the version that was read: siblings stay as they are, to the byte. What was there is AWSPREVIOUS.

        With `replica`: waits until it shows them.
        """
        refuse_unfit(values)
        self._begin(place.path)
        self._places.publish(place, values, version, generation)

    def published(self, place: Place) -> Mapping[str, Secret]:
        """Read afresh at AWSCURRENT; with `consumer` logged in as one."""
        self._begin(place.path)
        return self._places.published(place)

    def clock(self) -> datetime | None:
        """The service's time, by its last answer."""
        return self._wire.clock

    def check(self) -> list[Finding]:
        """The login, what stands at each path, and each right that later calls need; a missing one with its statement. Changes nothing."""
        self._begin()
        return list(Checkup(self.config, self._secrets, self._wire, self._policy, self._asked).findings())

    def close(self) -> None:
        """Drop connections and the login."""
        self._wire.close()
        if self._as_consumer is not None:
            self._as_consumer.close()
        self._records.forget()

    def _begin(self, path: str | None = None, *, record: bool = False) -> None:
        if record and self.config.replica:
            raise Denied("a replica keeps no records", "name a store in the primary's region, and let this be a destination")
        if path is not None:
            if not _PATH.fullmatch(path):
                raise Refused(f"{path!r} is no store path", "write [A-Za-z0-9._-]+ joined by /, never . or ..")
            if len(f"{self.config.prefix}/records/{path}") > LONGEST:
                raise Refused(f"the path {path[:40]}… is too long: a secret's name has at most {LONGEST} characters", "shorten it")
            self._asked[path] = record or self._asked.get(path, False)
        self._wire.begin()
        if self._as_consumer is not None:
            self._as_consumer.begin()
