"""The destination `aws_ssm`: SecureString parameters of AWS Systems Manager Parameter Store, in one account and region.

    destinations:
      orders-parameters: {type: aws_ssm, region: eu-west-1, account: "123456789012"}

and in a schedule `publish: [{destination: orders-parameters, path: orders/db, keys: {value: password}}]`: the parameter is `/orders/db`.
Several fields go into one parameter as one JSON object (`format: json`), never into several parameters. A parameter that is no
SecureString is refused. Parameter Store has no compare-and-set and no room for a generation: a writer that comes late is seen and mended
by the next run. Logins, endpoints and certificates are those of the store `aws_secrets_manager`.
"""

from rotator.destinations.aws_ssm.place import AwsSsm
from rotator.destinations.aws_ssm.settings import AwsSsmSettings

__all__ = ["AwsSsm", "AwsSsmSettings"]
