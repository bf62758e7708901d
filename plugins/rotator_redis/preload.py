"""What every run on Redis needs, loaded once by the process that runs are forked from; nothing is connected."""

from rotator_redis import check, session, target

__all__ = ["check", "session", "target"]
