"""Rotate passwords of MariaDB and MySQL accounts.

Two passwords of one account side by side (the old one lives through its grace), or one in place:

    # rotator.yaml, the machine owner's
    connections:
      shop-db:
        type: mysql
        host: db1.internal                  # or a socket: /run/mysqld/mysqld.sock
        port: 3306
        admin: {username: rotator, password: {env: MYSQL_ADMIN_PASSWORD}}
        tls: {ca: /etc/ssl/internal-ca.pem} # left out: the CAs of this system; `off` only towards loopback

    # schedules/shop.yaml, the team's
    target:
      type: mysql
      connection: shop-db
      username: shop
      host: "%"                             # of the account 'shop'@'%': the default
      max_live: 2                           # the default; 1: in place, the old password dies as the new one is set
      dbname: shop                          # where consumers log in; left out: nowhere
      plugin: mysql_native_password         # how new passwords are proven; left out: as the account's present one
      terminate_sessions: false             # true: REVOKE ends all open sessions of the account
      fence: true                           # false: no mark of ours at the account

The least right of the admin, given once:

    CREATE USER rotator@'10.0.0.7' IDENTIFIED VIA ed25519 USING PASSWORD('...');
    GRANT CREATE USER ON *.* TO rotator@'10.0.0.7';
    GRANT SELECT ON mysql.global_priv TO rotator@'10.0.0.7';        -- MySQL: mysql.user
    GRANT PROCESS, CONNECTION ADMIN ON *.* TO rotator@'10.0.0.7';   -- for `terminate_sessions`; MySQL: CONNECTION_ADMIN

The first statement shows the admin's password to the general log, where that is on: the only one that ever does.
CREATE USER reaches every account of the server: neither server knows a smaller right. `README.md` beside this file says how it works
and what it does not do.
"""

from rotator_mysql.target import MysqlUser

__all__ = ["MysqlUser"]
