"""What a proof loads beforehand makes runs cheaper, and changes nothing that they do."""

import subprocess
import sys

LOOK = """
import ssl, sys
import rotator.testing.stands.{module}
from rotator.testing.servers.tls import write_certificates
from pathlib import Path
folder = Path(sys.argv[1])
seen = []
for _ in range(2):
    write_certificates(folder / "ca", folder / "certificate", folder / "key")
    seen.append(ssl.create_default_context(cafile=str(folder / "ca")).get_ca_certs(binary_form=True))
assert seen[0] != seen[1], "the authority that was there first is trusted for ever"
assert ssl.create_default_context() is not None
"""

UNTOUCHED = """
import ssl
was = ssl.create_default_context
from rotator.testing.stands import models
models.load("secretsmanager")
assert ssl.create_default_context is was
"""


def test_an_authority_that_is_replaced_is_read_anew_in_what_a_proof_has_loaded(tmp_path):
    for module in ("warm", "warm_stores"):
        done = subprocess.run(
            [sys.executable, "-c", LOOK.format(module=module), str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_a_test_that_keeps_records_at_a_server_changes_no_tls_of_its_own_process():
    done = subprocess.run([sys.executable, "-c", UNTOUCHED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
