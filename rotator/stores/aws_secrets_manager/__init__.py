"""The store `aws_secrets_manager`: AWS Secrets Manager, in one account and region.

    stores:
      aws:
        type: aws_secrets_manager
        region: eu-west-1
        account: "123456789012"          # recommended: a login of another account is refused
        profile: rotation                # or credentials, or role; left out: boto3's own chain

The record of path `orders/db` is the secret `rotator/records/orders/db`; it is replaced by moving the label AWSCURRENT from the version
that was read, which is the compare-and-set of this service. What consumers see is the secret `orders/db`: a JSON object in which the fields
of the current credential are replaced, and nothing else. `rotator/places/orders/db` says which of them are ours and of which generation; it
holds no secret. Consumers read AWSCURRENT and need no right below `rotator/`; the value before it stays AWSPREVIOUS.

A record takes fewer than 100 writes in 24 hours: that is what AWS bears of one secret. As a destination the same type also watches a
replica in another region (`replica: true`).
"""

from rotator.stores.aws_secrets_manager.settings import AwsSecretsManagerSettings
from rotator.stores.aws_secrets_manager.store import AwsSecretsManager

__all__ = ["AwsSecretsManager", "AwsSecretsManagerSettings"]
