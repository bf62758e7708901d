"""CHECK: what an operator should know before a run begins, each with the command that mends it. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rotator.target import Credential, Finding, Level
from rotator_redis.answers import NO_FILE, grant
from rotator_redis.connection import RedisConnection, RedisUserSettings
from rotator_redis.rights import Rules, needed, unwritable
from rotator_redis.session import Failed, Session
from rotator_redis.user import User, advice, count, door_closed, has_quotes, hash_of, quoted, user_of

Info = Mapping[str, str]
QUOTES = "Give it another name or pattern, or the server an ACL file (`aclfile`, `persist: acl_file`)"


@dataclass(frozen=True)
class Around:
    """Whom the findings are about, and by whom they are made."""

    connection: RedisConnection
    config: RedisUserSettings
    session: Session

    @property
    def admin(self) -> str:
        """By name."""
        return self.connection.admin.username

    @property
    def rights(self) -> list[str]:
        """What it needs."""
        return needed(self.connection, self.config)


def look(session: Session, name: str, until: float) -> User | None:
    """(reads) The user, or None where there is none. Raises `Failed`."""
    reply = session.run(until, "ACL", "GETUSER", name)
    try:
        return user_of(name, reply)
    except (ValueError, TypeError, IndexError, AttributeError):
        pass
    raise Failed("ERR", "what the server says of a user cannot be read")


def info(session: Session, until: float) -> Info:
    """(reads) What the server says of itself. Raises `Failed`."""
    lines = (line.partition(":") for line in str(session.run(until, "INFO")).splitlines())
    return {name: value for name, colon, value in lines if colon}


def unreadable(session: Session, user: User, rules: Rules, until: float) -> str:
    """(reads) Which user would keep the server from its next start after CONFIG REWRITE, as far as the admin may see. Empty: none.

    `rules`: the admin's. Raises `Failed`.
    """
    lines = session.run(until, "ACL", "LIST") if rules.allow("acl|list") else []
    names = [user.name] * user.quotes + [str(each).split(" ")[1] for each in lines if has_quotes(each)]
    if not names:
        return ""
    who = ", ".join(dict.fromkeys(names))
    return f"there is a quote in the name or a rule of {who}: a server that reads it in its configuration does not start"


def findings(around: Around, known: Sequence[Credential], until: float) -> list[Finding]:
    """(reads) All findings. Where users cannot be read, those about them are missing. Raises `Failed`."""
    found, says = _of_the_server(around, until)
    try:
        admin = look(around.session, around.admin, until)
    except Failed as no:
        if no.code != "NOPERM":
            raise
        text = f"admin {around.admin} may not read users (acl|getuser), so its other rights cannot be seen"
        return [*found, Finding(Level.FAIL, "privilege.missing", text, grant(around.admin, around.rights))]
    rules = admin.rules if admin else Rules(())
    for each in around.rights:
        if not rules.allow(each):
            text = f"admin {around.admin} lacks {each}"
            found.append(Finding(Level.FAIL, "privilege.missing", text, grant(around.admin, [each])))
    user = look(around.session, around.config.username, until)
    found += _of_keeping(around, rules, user, until)
    if user is None:
        text = f"there is no user {around.config.username}"
        return [*found, Finding(Level.FAIL, "principal.missing", text, create(around.config.username))]
    return [*found, *_of_replicas(says), *_of_the_user(user), *_strays(around, user, known)]


def create(name: str) -> str:
    """The command that makes a user which nobody gets into yet, and which may do nothing yet."""
    return f"ACL SETUSER {quoted(name)} on"


def _of_the_server(around: Around, until: float) -> tuple[list[Finding], Info]:
    """It is in; the server's version, where it may be seen."""
    try:
        says = info(around.session, until)
    except Failed as no:
        if no.code != "NOPERM":
            raise
        says = {}
    product, version = ("Valkey", says["valkey_version"]) if "valkey_version" in says else ("Redis", says.get("redis_version", ""))
    return [Finding(Level.OK, "login", f"admin {around.admin} is in, {product} {version}".rstrip())], says


def _of_keeping(around: Around, rules: Rules, user: User | None, until: float) -> Iterator[Finding]:
    """Whether what is changed outlives the server's next start. Only CONFIG GET tells; else a mark of ours is proof that it was saved."""
    persist = around.connection.persist
    back = "a restart brings back the passwords that the server's files hold: revoked ones live again, new ones are gone"
    if no := unwritable(around.connection, around.config):
        yield Finding(Level.FAIL, "fitness", no, "Give the user another name, or the server an ACL file")
    if persist == "config_file":
        yield from _of_rewriting(around, rules, user, until)
    if persist == "none":
        yield Finding(Level.WARN, "fitness", f"nothing saves changes of users (`persist: none`): {back}", "Say `persist: acl_file`")
    elif rules.allow("config|get"):
        names = {"acl_file": ["aclfile"], "config_file": ["aclfile", "config-file"]}[persist]
        values = around.session.run(until, "CONFIG", "GET", "aclfile")
        kept = bool(values and values[1]) or (persist == "config_file" and rules.allow("config|rewrite"))
        if not kept:
            yield Finding(Level.FAIL, "fitness", f"the server has no {' and no '.join(names)}: {back}", NO_FILE)
    elif user is None or not user.marks:
        yield _unproven(around.config)


def _unproven(config: RedisUserSettings) -> Finding:
    """No right is asked for: CONFIG GET would tell, and shows `requirepass` and `masterauth` too. The first change tells without it."""
    told = "the first change tells, and leaves a mark" if config.fence else "each change tells, and with `fence: false` leaves no mark"
    text = f"whether the server saves its users is not known yet: {told}; it saves once before it changes anything"
    return Finding(Level.WARN, "privilege.unproven", text)


def _of_rewriting(around: Around, rules: Rules, user: User | None, until: float) -> Iterator[Finding]:
    """CONFIG REWRITE writes all users into one file, and does not look whether the server will read them."""
    if user and (no := unreadable(around.session, user, rules, until)):
        yield Finding(Level.FAIL, "fitness", no, QUOTES)
    blind = "" if rules.allow("acl|list") else ", nor if another user's name or rule has a quote in it"
    text = f"after CONFIG REWRITE a server does not start if its configuration includes a file with users{blind}: that cannot be seen"
    yield Finding(Level.WARN, "fitness", text, "Look into the server's configuration; better give it an ACL file (`aclfile`)")


def _of_replicas(says: Info) -> Iterator[Finding]:
    """ACLs are not replicated: each server has its own."""
    if says.get("role") == "slave":
        text = "this server is a replica: users are not replicated, so this one's passwords say nothing of its primary's"
        yield Finding(Level.WARN, "fitness", text, "Name the primary as `host`, unless it is this server that consumers use")
    replicas = int(says.get("connected_slaves", "0") or 0)
    if replicas:
        text = f"{replicas} replicas are connected, and users are not replicated: there, and after a failover, the old passwords count"
        yield Finding(Level.WARN, "fitness", text, "Give replicas the same ACL file after each change, and ACL LOAD it")
    if says.get("cluster_enabled") == "1":
        text = "this server is a node of a cluster: its other nodes do not get the new password"
        yield Finding(Level.WARN, "fitness", text, "Give all nodes the same ACL file after each change, and ACL LOAD it")


def _of_the_user(user: User) -> Iterator[Finding]:
    name = quoted(user.name)
    if not user.on:
        text = f"user {user.name} is off; a new password would not switch it on"
        yield Finding(Level.FAIL, "lockout", text, f"ACL SETUSER {name} on")
    if user.nopass:
        text = f"user {user.name} is `nopass`: every password opens it, and setting one shuts out all who use another"
        yield Finding(Level.FAIL, "stray", text, door_closed(user))
    if user.rules.allow("acl|setuser"):
        text = f"user {user.name} may change users: who has its password has the server"
        yield Finding(Level.WARN, "principal.superuser", text, f"ACL SETUSER {name} -acl")
    if user.name == "default":
        text = "user default is whom clients are that give no user; `requirepass` in the server's configuration is its password too"
        yield Finding(Level.WARN, "fitness", text, "Give consumers a user of their own; leave `requirepass` out of the configuration")


def _strays(around: Around, user: User, known: Sequence[Credential]) -> Iterator[Finding]:
    """A second password that is none of ours. A single one is nobody's but the operator's, before adoption."""
    ours = {hash_of(each.secret) for each in known if each.secret is not None}
    strange = [each for each in user.hashes if each not in ours]
    if not strange or len(user.hashes) == 1:
        return
    text, fix = f"user {user.name} has {count(strange)} none of ours", advice(user, strange)
    if around.config.max_live == 1:
        yield Finding(Level.WARN, "stray", f"{text}: the next rotation removes it", fix)
    else:
        yield Finding(Level.FAIL, "stray", text, fix)
