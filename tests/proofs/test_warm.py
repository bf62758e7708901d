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
import ssl, botocore.session
was = ssl.create_default_context, botocore.session.create_loader
from rotator.testing.servers import aws_models
with aws_models.read_once():
    assert botocore.session.create_loader is not was[1]
assert (ssl.create_default_context, botocore.session.create_loader) == was
"""


def test_an_authority_that_is_replaced_is_read_anew_in_what_a_proof_has_loaded(tmp_path):
    for module in ("warm", "warm_stores"):
        done = subprocess.run(
            [sys.executable, "-c", LOOK.format(module=module), str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_what_a_test_shares_of_aws_is_given_back_and_touches_no_tls():
    done = subprocess.run([sys.executable, "-c", UNTOUCHED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
