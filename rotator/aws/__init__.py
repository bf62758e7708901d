"""AWS, as the store `aws_secrets_manager` and the destination `aws_ssm` talk to it: login, wire, and what an answer means."""
