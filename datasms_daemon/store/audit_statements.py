"""The SQL of the audit log; as in ``statements``."""

from __future__ import annotations

AUDIT = "seq, at, who, what, object, seal"

INSERT_AUDIT = """
INSERT INTO audit (seq, at, who, what, object, seal) VALUES (:seq, :at, :who, :what, :object, :seal)
"""
SELECT_AUDIT = f"SELECT {AUDIT} FROM audit ORDER BY seq"
SELECT_AUDIT_MARK = "SELECT seq, seal, proof FROM audit_marks WHERE name = :name"
SET_AUDIT_MARK = """
INSERT INTO audit_marks (name, seq, seal, proof) VALUES (:name, :seq, :seal, :proof)
ON CONFLICT (name) DO UPDATE SET seq = :seq, seal = :seal, proof = :proof
"""
# The newest entry of a beginning that is old: a clock that was set back may have left an older one behind a newer.
SELECT_AUDIT_PURGE = """
SELECT seq, seal FROM (SELECT seq, seal, at FROM audit ORDER BY seq LIMIT :most) AS oldest
WHERE seq < coalesce((SELECT min(seq) FROM audit WHERE at >= :before), 9223372036854775807) ORDER BY seq DESC LIMIT 1
"""
PURGE_AUDIT = "DELETE FROM audit WHERE seq <= :seq"
ERASE_AUDIT = "UPDATE audit SET object = :hidden WHERE object = :object"
