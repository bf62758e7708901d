"""Rotate passwords of Redis users (the ACL of Redis 6 and later, and of Valkey).

Two passwords of one user side by side (the old one lives through its grace), or one in place:

    # rotator.yaml, the machine owner's
    connections:
      cart-redis:
        type: redis
        host: cache1.internal               # or a socket: /run/redis/redis.sock
        port: 6379
        admin: {username: rotator, password: {env: REDIS_ADMIN_PASSWORD}}
        tls: {ca: /etc/ssl/internal-ca.pem} # left out: the CAs of this system; `off` only towards loopback
        persist: acl_file                   # ACL SAVE after each change; config_file: CONFIG REWRITE; none

    # schedules/cart.yaml, the team's
    target:
      type: redis
      connection: cart-redis
      username: cart
      max_live: 2                           # the default; 1: in place, the old password dies as the new one is set
      terminate_sessions: false             # true: REVOKE ends all open connections of the user
      fence: true                           # false: no mark of ours at the user

The least right of the admin, given once, then saved (ACL SAVE):

    ACL SETUSER rotator on >... +acl|getuser +acl|setuser +acl|save +info
    ACL SETUSER rotator +config|rewrite     # for `persist: config_file`
    ACL SETUSER rotator +client|kill        # for `terminate_sessions`

It reaches no key. But whoever may call ACL SETUSER can give himself every right: Redis knows no smaller one. `README.md` beside this
file says how it works and what it does not do.
"""

from rotator_redis.target import RedisUser

__all__ = ["RedisUser"]
