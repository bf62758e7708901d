"""A plugin whose author did not think of secrets: what it throws about must reach nobody. What it does follows from the user's name."""

import logging
import os
import sys
import threading
import time
import warnings

from rotator_postgres import PostgresUser


class Careless(PostgresUser):
    """Roles of PostgreSQL."""

    def apply(self, credential, keep):
        """Fail in one way, until its author has mended it."""
        if "CARELESS_MENDED" not in os.environ:
            getattr(self, self.config.username.partition("_")[0])(credential.secret.reveal())
        super().apply(credential, keep)

    def raises(self, secret):
        """With the secret in the message, the cause and an attribute."""
        try:
            raise OSError(f"could not send {secret}")
        except OSError as error:
            error.statement = f"ALTER ROLE x PASSWORD '{secret}'"
            raise RuntimeError(f"the driver says: {error}") from error

    def prints(self, secret):
        """Where results of ours belong."""
        sys.stdout.write(secret)
        os.write(1, secret.encode())

    def logs(self, secret):
        """By logging and by a warning, at all levels."""
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger("some.driver").log(level, "setting %s", secret)
        logging.getLogger("some.driver").warning(f"setting {secret}")  # noqa: G004 - this is what careless authors write
        warnings.warn(f"{secret} is short", stacklevel=1)

    def threads(self, secret):
        """In another thread, and in a destructor."""
        thread = threading.Thread(target=self.raises, args=(secret,))
        thread.start()
        thread.join()
        Destroyed(secret)

    def aborts(self, secret):
        """The process dies with the secret in its memory: a core file would hold it."""
        os.abort()

    def exits(self, secret):
        """In the middle of a call."""
        os._exit(7)

    def quits(self, secret):
        """As scripts do."""
        raise SystemExit(secret)

    def hangs(self, secret):
        """For a minute."""
        time.sleep(60)


class Destroyed:
    """Raises where nobody can catch it."""

    def __init__(self, secret):
        self.secret = secret

    def __del__(self):
        raise RuntimeError(f"never freed {self.secret}")
