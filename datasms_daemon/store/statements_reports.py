"""The SQL of money and reports; as in ``statements``."""

from __future__ import annotations

PRICE_ATTEMPT = """
UPDATE attempts SET operator = :operator, parts = :parts, cost = :cost, spares = :spares
WHERE message = :message AND n = :n
"""

IS_DELIVERED = "CASE WHEN m.state IN ('delivered', 'read') THEN 1 ELSE 0 END"
IS_FAILED = "CASE WHEN m.state IN ('failed', 'expired', 'unknown') THEN 1 ELSE 0 END"
_TAKEN = "a.spares IS NULL AND a.outcome IN ('accepted', 'unknown')"
_SPARED = "a.spares IS NOT NULL AND a.late = 0 AND a.state IN ('delivered', 'read')"
EACH_MESSAGE = f"""
SELECT m.id{{keys}},
    coalesce(sum(CASE WHEN {_TAKEN} THEN a.parts END), 0) AS parts,
    coalesce(sum(CASE WHEN {_TAKEN} THEN a.cost END), 0) AS cost,
    max(CASE WHEN {_SPARED} THEN 1 ELSE 0 END) AS avoided,
    coalesce(sum(CASE WHEN {_SPARED} THEN a.parts END), 0) AS avoided_parts,
    coalesce(sum(CASE WHEN {_SPARED} THEN a.cost END), 0) AS saved,
    {{delivered}} AS delivered, {{failed}} AS failed
FROM messages m LEFT JOIN attempts a ON a.message = m.id
WHERE m.id >= :first AND m.id < :last {{sender}}
GROUP BY m.id{{line}}
"""
HAS_ARRIVED = "max(CASE WHEN a.state IN ('delivered', 'read') THEN 1 ELSE 0 END)"
HAS_ENDED = """
min(CASE WHEN a.finished_at IS NOT NULL AND a.state NOT IN ('delivered', 'read') THEN 1 ELSE 0 END)
"""
SUMS = """
count(*), coalesce(sum(parts), 0), coalesce(sum(delivered), 0), coalesce(sum(failed), 0), coalesce(sum(cost), 0),
coalesce(sum(avoided), 0), coalesce(sum(avoided_parts), 0), coalesce(sum(saved), 0)
"""
