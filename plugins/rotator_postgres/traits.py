"""The query for what two roles are and may do in one database, in rows that can be compared.

Each row: `role`; `key`, the same words for both roles; `slot`, which single value it is, if it is one (a setting); `give`, the
statement that gives it to the other role; `take`, the one that takes it from this role; `hard`, whether consumers would miss it.
$1 and $2 are the two. Grants on what either of the two owns are left out: owning is compared on its own.
"""

# ruff: noqa: S608 - built of the constants below; names of roles are parameters

from __future__ import annotations

_ACLS = (
    ("pg_class o", "relacl", "relowner", "CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END", "oid::regclass::text"),
    ("pg_namespace o", "nspacl", "nspowner", "'SCHEMA'", "quote_ident(nspname)"),
    ("pg_proc o", "proacl", "proowner", "'ROUTINE'", "oid::regprocedure::text"),
    ("pg_type o", "typacl", "typowner", "'TYPE'", "oid::regtype::text"),
    ("pg_language o", "lanacl", "lanowner", "'LANGUAGE'", "quote_ident(lanname)"),
    ("pg_foreign_data_wrapper o", "fdwacl", "fdwowner", "'FOREIGN DATA WRAPPER'", "quote_ident(fdwname)"),
    ("pg_foreign_server o", "srvacl", "srvowner", "'FOREIGN SERVER'", "quote_ident(srvname)"),
    ("pg_largeobject_metadata o", "lomacl", "lomowner", "'LARGE OBJECT'", "oid::text"),
    ("pg_tablespace o", "spcacl", "spcowner", "'TABLESPACE'", "quote_ident(spcname)"),
    ("(SELECT * FROM pg_database WHERE datname = current_database()) o", "datacl", "datdba", "'DATABASE'", "quote_ident(datname)"),
)
_COLUMNS = (
    "(SELECT a.attacl, a.attname, c.oid, c.relowner FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE NOT a.attisdropped) o",
    "attacl",
    "relowner",
    "'TABLE'",
    "oid::regclass::text",
)
_PARAMETERS = ("(SELECT *, 10::oid AS owner FROM pg_parameter_acl) o", "paracl", "owner", "'PARAMETER'", "quote_ident(parname)")


def _grants(source: str, acl: str, owner: str, kind: str, name: str, column: str = "''") -> str:
    """Rows of one kind of object. The right to pass a grant on is a row of its own, so that taking it leaves the grant."""
    what = f"me.role, me.other, privilege_type || {column} AS p, {kind} AS k, {name} AS n, is_grantable AS g"
    return f"""
    SELECT role, key, NULL AS slot, give, take, true AS hard FROM (
      SELECT DISTINCT {what} FROM {source}, aclexplode({acl}) x, me
      WHERE {acl} IS NOT NULL AND x.grantee = me.id AND {owner} NOT IN (SELECT id FROM me)) f,
    LATERAL (VALUES
      (format('%s on %s %s', p, lower(k), n), format('GRANT %s ON %s %s TO %I;', p, k, n, other),
       format('REVOKE %s ON %s %s FROM %I;', p, k, n, role), true),
      (format('%s on %s %s, with grant option', p, lower(k), n), format('GRANT %s ON %s %s TO %I WITH GRANT OPTION;', p, k, n, other),
       format('REVOKE GRANT OPTION FOR %s ON %s %s FROM %I;', p, k, n, role), g)) v(key, give, take, shown) WHERE shown"""


_KINDS = (
    "CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES' WHEN 'T' THEN 'TYPES'"
    " WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END"
)
_DEFAULT_ACLS = f"""
      SELECT DISTINCT me.role, me.other, privilege_type AS p, {_KINDS} AS k, quote_ident(pg_get_userbyid(defaclrole)) AS maker,
        coalesce(' IN SCHEMA ' || quote_ident(nspname), '') AS place,
        CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS who
      FROM pg_default_acl d LEFT JOIN pg_namespace s ON s.oid = defaclnamespace, aclexplode(defaclacl) x, me"""
_DEFAULTS = f"""
    SELECT role, format('%s on new %s of %s%s', p, lower(k), maker, place), NULL,
      format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s GRANT %s ON %s TO %I;', maker, place, p, k, other),
      format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE %s ON %s FROM %s;', maker, place, p, k, who), true
    FROM ({_DEFAULT_ACLS} WHERE x.grantee = me.id AND defaclrole NOT IN (SELECT id FROM me)) f"""
_OWN_DEFAULTS = f"""
    SELECT role, format('for what it creates: %s on %s to %s%s', p, lower(k), who, place), NULL,
      format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s GRANT %s ON %s TO %s;', other, place, p, k, who),
      format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE %s ON %s FROM %s;', maker, place, p, k, who), false
    FROM ({_DEFAULT_ACLS} WHERE defaclrole = me.id AND x.grantee NOT IN (SELECT id FROM me)
      AND NOT (x.grantee = 0 AND defaclnamespace = 0 AND defaclobjtype IN ('f', 'T'))) f"""

_ATTRIBUTES = """
    SELECT role, word, NULL, format('ALTER ROLE %I %s;', other, word), format('ALTER ROLE %I NO%s;', role, word), true
    FROM me JOIN pg_roles ON oid = id, LATERAL (VALUES ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
      ('INHERIT', rolinherit), ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls)) v(word, has) WHERE has
    UNION ALL
    SELECT role, format('CONNECTION LIMIT %s', rolconnlimit), 'limit', format('ALTER ROLE %I CONNECTION LIMIT %s;', other, rolconnlimit),
      NULL, false FROM me JOIN pg_roles ON oid = id"""

_LISTS = "'local_preload_libraries', 'search_path', 'session_preload_libraries', 'temp_tablespaces', 'unix_socket_directories'"
"""Settings whose stored value is a list that is quoted already (as pg_dump knows them)."""
_BLANK = r"[ \t\n\r\f\v]*"
_ELEMENT = r"""(?:"(?:[^"]|"")*"|[^ \t\n\r\f\v",A-Z][^ \t\n\r\f\v,A-Z]*)"""
"""Of such a list. Unquoted capitals are left out: what they mean depends on the setting."""
_SHOWN = f"""CASE WHEN k NOT IN ({_LISTS}) THEN quote_literal(v)
          WHEN v ~ '^{_BLANK}{_ELEMENT}({_BLANK},{_BLANK}{_ELEMENT})*{_BLANK}$' THEN (
            SELECT string_agg(quote_literal(CASE WHEN starts_with(e[1], '"') THEN replace(substr(e[1], 2, length(e[1]) - 2), '""', '"')
              ELSE e[1] END), ', ' ORDER BY n) FROM regexp_matches(v, '{_ELEMENT}', 'g') WITH ORDINALITY m(e, n)) END"""
"""The value in a statement: each element of a list a literal of its own, as pg_dump writes them (SplitGUCList,
https://github.com/postgres/postgres/blob/master/src/bin/pg_dump/dumputils.c). NULL where it is no list: a role writes its own settings, and
what it wrote must not become a statement.
"""
_COPIED = """format('SELECT count(set_config(%L, substr(c, %s), false)) FROM pg_db_role_setting, unnest(setconfig) c WHERE setrole ='
        ' (SELECT oid FROM pg_roles WHERE rolname = %L) AND setdatabase = %s AND starts_with(c, %L); ALTER ROLE %I%s SET %I FROM CURRENT;',
        k, length(k) + 2, role,
        CASE setdatabase WHEN 0 THEN '0' ELSE '(SELECT oid FROM pg_database WHERE datname = current_database())' END,
        k || '=', other, place, k)"""
"""A setting of an application's own (with a dot) may hold a secret, as PostgREST's pgrst.jwt_secret
(https://docs.postgrest.org/en/stable/references/configuration.html#in-database-configuration): the server copies it, and nobody sees it.
"""
_SETTINGS = f"""
    SELECT role, CASE WHEN own THEN format('%s as %s has it%s', k, role, place)
        ELSE format('%s = %s%s', k, coalesce(shown, quote_literal(v)), place) END,
      k || place, CASE WHEN own THEN {_COPIED}
        WHEN shown IS NOT NULL THEN format('ALTER ROLE %I%s SET %I TO %s;', other, place, k, shown) END,
      format('ALTER ROLE %I%s RESET %I;', role, place, k), true FROM (
      SELECT role, other, k, v, {_SHOWN} AS shown, strpos(k, '.') > 0 AS own, setdatabase,
        CASE setdatabase WHEN 0 THEN '' ELSE format(' IN DATABASE %I', current_database()) END AS place,
        EXISTS (SELECT FROM pg_db_role_setting o WHERE o.setrole = (SELECT oid FROM pg_roles WHERE rolname = other)
          AND o.setdatabase = s.setdatabase AND c = ANY (o.setconfig)) AS both_have
      FROM me JOIN pg_db_role_setting s ON setrole = id, unnest(setconfig) c,
        LATERAL (SELECT split_part(c, '=', 1) AS k, substr(c, strpos(c, '=') + 1) AS v) kv
      WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))) f WHERE NOT (own AND both_have)"""

_POLICIES = """
    SELECT role, format('row policy %I on %s', polname, polrelid::regclass), NULL,
      format('ALTER POLICY %I ON %s TO %s, %I;', polname, polrelid::regclass, everyone, other),
      format('ALTER POLICY %I ON %s TO %s;', polname, polrelid::regclass, others), true
    FROM me JOIN pg_policy p ON me.id = ANY (polroles), LATERAL (SELECT string_agg(quote_ident(rolname), ', ') AS everyone,
      nullif(string_agg(quote_ident(rolname), ', ') FILTER (WHERE rolname <> role), '') AS others
      FROM pg_roles WHERE oid = ANY (polroles)) r"""


def _memberships(version: int) -> str:
    if version < 160000:  # noqa: PLR2004 - since 16 a membership has three options
        options, given = "('ADMIN', bool_or(admin_option))", "''"
        give = "format('GRANT %I TO %I WITH ADMIN OPTION;', r, other)"
    else:
        options = "('ADMIN', bool_or(admin_option)), ('INHERIT', bool_or(inherit_option)), ('SET', bool_or(set_option))"
        given = "format(' WITH INHERIT %s, SET %s', bool_or(inherit_option)::text, bool_or(set_option)::text)"
        give = "format('GRANT %I TO %I WITH %s TRUE;', r, other, word)"
    return f"""
    SELECT role, key, NULL, give, take, true FROM (
      SELECT role, other, pg_get_userbyid(roleid) AS r, {given} AS options,
        ARRAY(SELECT word FROM (VALUES {options}) o(word, has) WHERE has) AS words
      FROM me JOIN pg_auth_members m ON member = me.id WHERE roleid NOT IN (SELECT id FROM me) GROUP BY role, other, roleid) m,
    LATERAL (SELECT format('member of %I', r) AS key, format('GRANT %I TO %I%s;', r, other, options) AS give,
        format('REVOKE %I FROM %I;', r, role) AS take
      UNION ALL SELECT format('member of %I, %s option', r, lower(word)), {give},
        format('REVOKE %s OPTION FOR %I FROM %I;', word, r, role) FROM unnest(words) word) v"""


def query(version: int) -> str:
    """The whole query for a server of this `server_version_num`."""
    acls = [_grants(*each) for each in _ACLS] + [_grants(*_COLUMNS, column="format(' (%I)', attname)")]
    if version >= 150000:  # noqa: PLR2004 - GRANT ... ON PARAMETER came with 15
        acls.append(_grants(*_PARAMETERS))
    parts = [*acls, _DEFAULTS, _OWN_DEFAULTS, _ATTRIBUTES, _SETTINGS, _POLICIES, _memberships(version)]
    rows = "\n    UNION ALL".join(parts)
    return f"""
    WITH me AS (SELECT oid AS id, rolname::text AS role, CASE rolname WHEN $1 THEN $2 ELSE $1 END AS other
      FROM pg_roles WHERE rolname IN ($1, $2))
    {rows} ORDER BY 2"""


OWNED = """
SELECT rolname AS name, count(*) AS objects, min(pg_describe_object(classid, objid, objsubid)) AS one
FROM pg_shdepend JOIN pg_roles r ON r.oid = refobjid
WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o' AND rolname IN ($1, $2)
  AND classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)
  AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
GROUP BY rolname ORDER BY rolname"""
