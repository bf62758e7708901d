"""rotator: automated credential rotation. The engine is `rotator.rotate`, the contracts `rotator.target`, `store` and `destination`."""
