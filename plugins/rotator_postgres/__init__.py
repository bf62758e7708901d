"""Rotate passwords of PostgreSQL roles.

One role in place (its old password dies as the new one is set), or two roles that take turns (the old one lives through its grace):

    # rotator.yaml, the machine owner's
    connections:
      orders-pg:
        type: postgres
        host: db1.internal                  # or a socket directory: /var/run/postgresql
        port: 5432
        admin: {username: rotator, password: {env: PG_ADMIN_PASSWORD}}
        admin_dbname: postgres
        tls: {ca: /etc/ssl/internal-ca.pem} # left out: the CAs of this system; `off` only towards loopback

    # schedules/orders.yaml, the team's
    target:
      type: postgres
      connection: orders-pg
      dbname: orders                        # where consumers log in; a new password is proven there
      usernames: [orders_a, orders_b]       # two that take turns; or `username: orders`, one in place
      terminate_sessions: true              # REVOKE ends open sessions of the old role: the default with two, never with one
      options: {search_path: orders}        # settings with which consumers' sessions begin

`README.md` beside this file has the least rights of the admin, statement by statement, for PostgreSQL 15 and for 16 and later (under
*The admin's rights*), and says how it works and what it does not do.
"""

from rotator_postgres.target import PostgresUser

__all__ = ["PostgresUser"]
