"""The query behind the fingerprint: kind, name and properties of everything in a schema.

It tells 48 of 48 kinds of change apart on PostgreSQL 15 to 18 (facts, appendix 1). Properties are a JSON
array, so that an absent one and an empty one differ; a list in it is a set (privileges, roles). A privilege
list that was never written equals the default one, so that GRANT and REVOKE cancel each other.
"""

from __future__ import annotations

LABELS: dict[str, tuple[str, ...]] = {
    "schema": ("owner", "privileges"),
    "relation": (
        "kind",
        "persistence",
        "owner",
        "row security",
        "forced row security",
        "replica identity",
        "partition",
        "options",
        "privileges",
        "access method",
        "tablespace",
        "partition bound",
        "partition key",
    ),
    "column": (
        "type",
        "not null",
        "identity",
        "generated",
        "storage",
        "statistics target",
        "compression",
        "collation",
        "default",
        "privileges",
        "options",
    ),
    "column-order": ("order",),
    "constraint": ("kind", "validated", "definition"),
    "index": ("valid", "clustered", "replica identity", "options", "definition"),
    "view": ("definition",),
    "rule": ("definition",),
    "sequence": ("type", "start", "increment", "maximum", "minimum", "cache", "cycle", "owned by"),
    "trigger": ("enabled", "definition"),
    "policy": ("command", "permissive", "roles", "using", "check"),
    "function": ("owner", "privileges", "definition"),
    "type": ("kind", "owner", "privileges", "not null", "default", "base type", "labels", "range"),
    "statistics": ("definition",),
    "extension": ("version", "schema"),
    "publication": ("all tables", "insert", "update", "delete", "truncate", "tables"),
    "event-trigger": ("event", "function", "enabled", "tags"),
    "default-acl": ("privileges",),
    "comment": ("text",),
}
"""What each property of a kind is called, in the order of the query."""


def _privileges(column: str, default: str) -> str:
    return f"(SELECT json_agg(a::text ORDER BY a::text) FROM unnest(coalesce({column}, {default})) a)"  # noqa: S608


_RELATION_ACL = _privileges(
    "relacl", "acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner)"
)

QUERY = f"""
WITH ns AS (
  SELECT oid, nspname, nspowner, nspacl FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND nspname <> 'gitops'
), ext AS (  -- objects owned by extensions are compared through the extension row only
  SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), ours AS (  -- the version table and what belongs to it
  SELECT oid FROM pg_class WHERE relname = :version_table: AND relkind IN ('r', 'p')
), rel AS (
  SELECT c.*, n.nspname, format('%I.%I', n.nspname, c.relname) AS q
  FROM pg_class c JOIN ns n ON n.oid = c.relnamespace
  WHERE NOT EXISTS (SELECT 1 FROM ext WHERE classid = 'pg_class'::regclass AND objid = c.oid)
    AND c.oid NOT IN (SELECT oid FROM ours)
    AND c.oid NOT IN (SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM ours))
)
SELECT 'schema' AS kind, nspname::text AS name, json_build_array(pg_get_userbyid(nspowner),
    {_privileges("nspacl", "acldefault('n', nspowner)")})::text AS def
  FROM ns
UNION ALL
SELECT 'relation', q, json_build_array(relkind, relpersistence, pg_get_userbyid(relowner), relrowsecurity,
    relforcerowsecurity, relreplident, relispartition, array_to_string(reloptions, ','), {_RELATION_ACL},
    am.amname, spc.spcname, pg_get_expr(relpartbound, rel.oid),
    CASE relkind WHEN 'p' THEN pg_get_partkeydef(rel.oid) END)::text
  FROM rel LEFT JOIN pg_am am ON am.oid = relam LEFT JOIN pg_tablespace spc ON spc.oid = reltablespace
  WHERE relkind IN ('r','p','v','m','f','S')
UNION ALL
SELECT 'column', format('%s.%I', q, attname), json_build_array(format_type(atttypid, atttypmod), attnotnull,
    attidentity, attgenerated, attstorage, nullif(attstattarget, -1), nullif(attcompression, ''),
    coll.collname, pg_get_expr(ad.adbin, ad.adrelid), {_privileges("attacl", "acldefault('c', relowner)")},
    attoptions::text)::text
  FROM rel JOIN pg_attribute a ON a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
  LEFT JOIN pg_type ty ON ty.oid = a.atttypid
  LEFT JOIN pg_collation coll ON coll.oid = a.attcollation AND a.attcollation <> ty.typcollation
  WHERE relkind IN ('r','p','v','m','f','c')
UNION ALL
SELECT 'column-order', q, json_build_array(string_agg(quote_ident(attname), ',' ORDER BY attnum))::text
  FROM rel JOIN pg_attribute a ON a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped
  WHERE relkind IN ('r','p','f','c') GROUP BY q
UNION ALL
SELECT 'constraint', coalesce(rel.q, format_type(contypid, NULL)) || ' ' || quote_ident(conname),
    json_build_array(contype, convalidated, pg_get_constraintdef(co.oid))::text
  FROM pg_constraint co JOIN ns ON ns.oid = connamespace LEFT JOIN rel ON rel.oid = conrelid
  WHERE contype <> 't' AND (conrelid = 0 OR rel.oid IS NOT NULL)
UNION ALL
SELECT 'index', q, json_build_array(indisvalid, indisclustered, indisreplident,
    array_to_string(reloptions, ','), pg_get_indexdef(indexrelid))::text
  FROM rel JOIN pg_index i ON i.indexrelid = rel.oid
UNION ALL
SELECT 'view', q, json_build_array(pg_get_viewdef(oid))::text FROM rel WHERE relkind IN ('v','m')
UNION ALL
SELECT 'rule', rel.q || ' ' || quote_ident(rulename), json_build_array(pg_get_ruledef(r.oid))::text
  FROM pg_rewrite r JOIN rel ON rel.oid = ev_class WHERE rulename <> '_RETURN'
UNION ALL
SELECT 'sequence', q, json_build_array(format_type(seqtypid, NULL), seqstart, seqincrement, seqmax, seqmin,
    seqcache, seqcycle, (SELECT format('%s.%I', d.refobjid::regclass, o.attname) FROM pg_depend d
       JOIN pg_attribute o ON o.attrelid = d.refobjid AND o.attnum = d.refobjsubid
      WHERE d.objid = rel.oid AND d.classid = 'pg_class'::regclass AND deptype IN ('a','i') LIMIT 1))::text
  FROM rel JOIN pg_sequence s ON s.seqrelid = rel.oid
UNION ALL
SELECT 'trigger', rel.q || ' ' || quote_ident(tgname),
    json_build_array(tgenabled, pg_get_triggerdef(t.oid))::text
  FROM pg_trigger t JOIN rel ON rel.oid = tgrelid WHERE NOT tgisinternal
UNION ALL
SELECT 'policy', rel.q || ' ' || quote_ident(polname), json_build_array(polcmd, polpermissive,
    (SELECT json_agg(CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r) END ORDER BY 1)
      FROM unnest(polroles) r),
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))::text
  FROM pg_policy p JOIN rel ON rel.oid = polrelid
UNION ALL
SELECT 'function', p.oid::regprocedure::text, json_build_array(pg_get_userbyid(proowner),
    {_privileges("proacl", "acldefault('f', proowner)")},
    CASE WHEN prokind = 'a' THEN (SELECT a::text FROM pg_aggregate a WHERE aggfnoid = p.oid)
      ELSE pg_get_functiondef(p.oid) END)::text
  FROM pg_proc p JOIN ns ON ns.oid = pronamespace
  WHERE NOT EXISTS (SELECT 1 FROM ext WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
UNION ALL
SELECT 'type', format('%I.%I', nspname, typname), json_build_array(typtype, pg_get_userbyid(typowner),
    {_privileges("typacl", "acldefault('T', typowner)")}, typnotnull, typdefault,
    CASE WHEN typtype='d' THEN format_type(typbasetype, typtypmod) END,
    (SELECT string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder) FROM pg_enum
      WHERE enumtypid = t.oid),
    (SELECT format('%s %s %s', format_type(rngsubtype,NULL), rngcollation, rngsubopc) FROM pg_range
      WHERE rngtypid = t.oid))::text
  FROM pg_type t JOIN ns ON ns.oid = typnamespace
  WHERE typtype IN ('e','d','r','m')
    AND NOT EXISTS (SELECT 1 FROM ext WHERE classid = 'pg_type'::regclass AND objid = t.oid)
UNION ALL
SELECT 'statistics', format('%I.%I', nspname, stxname), json_build_array(pg_get_statisticsobjdef(s.oid))::text
  FROM pg_statistic_ext s JOIN ns ON ns.oid = stxnamespace
UNION ALL
SELECT 'extension', extname, json_build_array(extversion, extnamespace::regnamespace)::text FROM pg_extension
UNION ALL
SELECT 'publication', pubname, json_build_array(puballtables, pubinsert, pubupdate, pubdelete, pubtruncate,
    (SELECT string_agg(prrelid::regclass::text, ',' ORDER BY prrelid::regclass::text)
      FROM pg_publication_rel WHERE prpubid = p.oid))::text
  FROM pg_publication p
UNION ALL
SELECT 'event-trigger', evtname, json_build_array(evtevent, evtfoid::regproc, evtenabled, evttags::text)::text
  FROM pg_event_trigger
UNION ALL
SELECT 'default-acl',
    concat_ws('|', pg_get_userbyid(defaclrole), defaclnamespace::regnamespace, defaclobjtype),
    json_build_array({_privileges("defaclacl", "'{}'::aclitem[]")})::text
  FROM pg_default_acl WHERE defaclnamespace = 0 OR defaclnamespace IN (SELECT oid FROM ns)
UNION ALL
SELECT 'comment', pg_describe_object(classoid, objoid, objsubid), json_build_array(description)::text
  FROM pg_description
  WHERE (classoid = 'pg_class'::regclass AND objoid IN (SELECT oid FROM rel))
     OR (classoid = 'pg_namespace'::regclass AND objoid IN (SELECT oid FROM ns WHERE nspname <> 'public'))
     OR (classoid = 'pg_proc'::regclass
         AND objoid IN (SELECT oid FROM pg_proc WHERE pronamespace IN (SELECT oid FROM ns)))
     OR (classoid = 'pg_type'::regclass
         AND objoid IN (SELECT oid FROM pg_type WHERE typnamespace IN (SELECT oid FROM ns)))
     OR (classoid = 'pg_constraint'::regclass
         AND objoid IN (SELECT oid FROM pg_constraint WHERE connamespace IN (SELECT oid FROM ns)))
"""  # noqa: S608 - every part of it is a constant of this module
"""`:version_table:` stands for the quoted name of Alembic's table. Run with an empty search_path."""
