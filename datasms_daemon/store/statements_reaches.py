"""The statements on the ways to devices, as ``statements``."""

from __future__ import annotations

# ``gone_at``: the service said so. An address that another device took over says nothing of the service.
RETIRE = "UPDATE devices SET state = 'retired', gone_at = :now WHERE id = :id AND state = 'active'"
SELECT_PREFERRED = "SELECT channel, address FROM devices WHERE id = :id AND state = 'active'"
SET_PREFERRED = """
UPDATE devices SET channel = :channel, address = :address, state = 'active', gone_at = NULL WHERE id = :id
"""
# Ways that are not gone belong to active devices only.
INSERT_REACH = """
INSERT INTO reaches (device, position, channel, address) VALUES (:id, :position, :channel, :address)
"""
SELECT_NEXT_REACH = """
SELECT position, channel, address FROM reaches WHERE device = :id AND gone_at IS NULL ORDER BY position LIMIT 1
"""
SELECT_REACH = """
SELECT position FROM reaches
WHERE device = :id AND channel = :channel AND address = :address AND gone_at IS NULL ORDER BY position LIMIT 1
"""
REACH_GONE = "UPDATE reaches SET gone_at = :now WHERE device = :id AND position = :position"
KEEP_GONE_REACH = """
UPDATE reaches SET channel = :channel, address = :address, gone_at = :now WHERE device = :id AND position = :position
"""
DELETE_REACH = "DELETE FROM reaches WHERE device = :id AND position = :position"
DELETE_REACHES = "DELETE FROM reaches WHERE device = :id"
# Nobody holds the empty address of a channel that needs none.
SELECT_HOLDERS = """
SELECT id FROM devices WHERE channel = :channel AND address = :address AND address <> '{}' AND state = 'active'
UNION SELECT device FROM reaches
WHERE channel = :channel AND address = :address AND address <> '{}' AND gone_at IS NULL
"""
# The newest of those that were retired because their service called the address gone.
REACTIVATE = """
UPDATE devices SET state = 'active', gone_at = NULL WHERE id = (
    SELECT id FROM devices
    WHERE channel = :channel AND address = :address AND state = 'retired' AND gone_at IS NOT NULL
    ORDER BY id DESC LIMIT 1
) RETURNING id
"""
# What another device has taken over since it was gone must not come back when that one loses it.
FORGET_GONE_DEVICES = """
UPDATE devices SET gone_at = NULL
WHERE channel = :channel AND address = :address AND state = 'retired' AND id <> :id AND gone_at IS NOT NULL
"""
FORGET_GONE_REACHES = """
DELETE FROM reaches WHERE channel = :channel AND address = :address AND device <> :id AND gone_at IS NOT NULL
"""
SELECT_GONE_REACH = """
SELECT r.device, r.position, d.state, d.channel, d.address, d.gone_at
FROM reaches r JOIN devices d ON d.id = r.device AND d.state <> 'revoked'
WHERE r.channel = :channel AND r.address = :address AND r.gone_at IS NOT NULL
ORDER BY r.device DESC, r.position LIMIT 1
"""
SELECT_NEXT_CHANNEL = """
SELECT min(channel) FROM (
    SELECT min(channel) AS channel FROM devices WHERE channel > :after AND state = 'active' AND address <> '{}'
    UNION ALL SELECT min(channel) FROM reaches WHERE channel > :after AND gone_at IS NULL AND address <> '{}'
) AS following
"""
SELECT_SOME_ADDRESS = """
SELECT address FROM devices WHERE channel = :channel AND state = 'active' AND address <> '{}'
UNION ALL SELECT address FROM reaches WHERE channel = :channel AND gone_at IS NULL AND address <> '{}' LIMIT 1
"""
# The number in {"phone":"+420603123456"}.
_PHONE = "SELECT person FROM numbers WHERE number = substr(address, 11, length(address) - 12)"
FORGET_GONE_PHONES = f"""
UPDATE devices SET gone_at = NULL
WHERE gone_at IS NOT NULL AND state = 'retired' AND address LIKE '{{"phone":%' AND person <> ({_PHONE})
"""
FORGET_OTHER_GONE_PHONES = f"""
DELETE FROM reaches WHERE gone_at IS NOT NULL AND address LIKE '{{"phone":%'
    AND (SELECT person FROM devices WHERE id = device) <> ({_PHONE})
"""
REACH_BACK = "UPDATE reaches SET gone_at = NULL WHERE device = :id AND position = :position"
