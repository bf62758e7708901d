"""The store `vault`: HashiCorp Vault or OpenBao, on a KV version 2 mount.

    stores:
      vault:
        type: vault
        address: https://vault.internal:8200
        mount: secret
        auth: {approle: {role_id: 9b1d…, secret_id: {file: secrets/vault}}}     # or token, kubernetes, jwt

The record of path `orders/db` is `secret/rotator/records/orders/db`, one text field, replaced by check-and-set. What consumers see is
`secret/orders/db`: the fields of the current credential, patched in, and what else stands there is kept. `secret/rotator/places/orders/db`
says which of those fields are ours and of which generation; it holds no secret. Consumers need no right below `secret/rotator/`.

Nothing is taken from the environment by itself: no `VAULT_*` or `BAO_*` variable, no `~/.vault-token`, no proxy, no CA bundle.
"""

from rotator.stores.vault.settings import VaultSettings
from rotator.stores.vault.store import VaultStore

__all__ = ["VaultSettings", "VaultStore"]
