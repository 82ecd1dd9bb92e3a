"""What the buffer does inside Redis, each as one step that nothing can interrupt.

Scripts that take records out begin with a ZREM that changes nothing: Redis lets a script that has written go on when
its memory is full, so a full Redis can still be emptied.
"""

# KEYS: the waiting set, the totals, then the list of each record. ARGV: the lists' and the ids' time to live in
# milliseconds, then per record its event id (empty: no duplicate check, no expiry) and its body. Returns the places of
# duplicates. An id is known only when its event lies in its list: one that was refused may come again.
PUSH = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local duplicates, touched, activities, decisions, bytes = {}, {}, 0, 0, 0
for i = 3, #KEYS do
  local id, body = ARGV[2 * i - 3], ARGV[2 * i - 2]
  if id ~= '' and redis.call('EXISTS', 'recent_event:' .. id) == 1 then
    duplicates[#duplicates + 1] = i - 3
  else
    redis.call('RPUSH', KEYS[i], body)
    if id ~= '' then
      redis.call('SET', 'recent_event:' .. id, '1', 'PX', ARGV[2])
      activities = activities + 1
    else
      decisions = decisions + 1
    end
    bytes = bytes + #body
    if not touched[KEYS[i]] then
      if id ~= '' then redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
      redis.call('ZADD', KEYS[1], 'NX', now, KEYS[i])
      touched[KEYS[i]] = true
    end
  end
end
if activities > 0 then redis.call('HINCRBY', KEYS[2], 'activities', activities) end
if decisions > 0 then redis.call('HINCRBY', KEYS[2], 'decisions', decisions) end
if bytes > 0 then redis.call('HINCRBY', KEYS[2], 'bytes', bytes) end
return duplicates
"""

# KEYS: waiting, draining. ARGV: how many lists, a token for new names, the shift of a free list's score, only lists
# that began to wait before this (seconds since 1970).
# Renames lists and takes their expiry away; each keeps when it began to wait in its name and its score. What is no list
# is passed over: one of them would stop every flush if it were taken.
HOLD = """
redis.call('ZREM', KEYS[2], '')
local held = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[4], 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 1, #held, 2 do
  local key, begun = held[i], tonumber(held[i + 1])
  if redis.call('TYPE', key).ok == 'list' then
    local drained = 'drained:' .. key .. ':' .. string.format('%.6f', begun) .. ':' .. ARGV[2]
    redis.call('RENAME', key, drained)
    redis.call('PERSIST', drained)
    redis.call('ZADD', KEYS[2], begun - tonumber(ARGV[3]), drained)
  end
  redis.call('ZREM', KEYS[1], key)
end
return #held
"""

# KEYS: draining, waiting, totals. ARGV: how many records, the lease in seconds. Returns the lists that are now the
# caller's. When there are no lists at all the totals begin anew: lists that expired or came from elsewhere bent them.
CLAIM = """
redis.call('ZREM', KEYS[1], '')
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local claimed, records = {}, 0
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, ARGV[1])) do
  if records >= tonumber(ARGV[1]) then break end
  local length = redis.call('LLEN', key)
  if length == 0 then
    redis.call('ZREM', KEYS[1], key)
  else
    redis.call('ZADD', KEYS[1], now, key)
    records, claimed[#claimed + 1] = records + length, key
  end
end
if #claimed == 0 and redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[3])
end
return claimed
"""

# KEYS: draining, totals. ARGV: per list its name, `activities` or `decisions`, and the bytes of its records.
# A list that another flusher acknowledged already is not counted again.
FORGET = """
redis.call('ZREM', KEYS[1], '')
for i = 1, #ARGV, 3 do
  local length = redis.call('LLEN', ARGV[i])
  if length > 0 then
    redis.call('DEL', ARGV[i])
    redis.call('HINCRBY', KEYS[2], ARGV[i + 1], -length)
    redis.call('HINCRBY', KEYS[2], 'bytes', -tonumber(ARGV[i + 2]))
  end
  redis.call('ZREM', KEYS[1], ARGV[i])
end
return 0
"""

# KEYS: waiting, totals. ARGV: since when, `activities` or `decisions`, then names of lists. Puts lists that no index
# names (other programs may push too) on the waiting list. Returns those that are no lists.
ADOPT = """
redis.call('ZREM', KEYS[1], '')
local others = {}
for i = 3, #ARGV do
  local kind = redis.call('TYPE', ARGV[i]).ok
  if kind ~= 'list' then
    if kind ~= 'none' then others[#others + 1] = ARGV[i] end
  elseif redis.call('ZADD', KEYS[1], 'NX', ARGV[1], ARGV[i]) == 1 then
    redis.call('HINCRBY', KEYS[2], ARGV[2], redis.call('LLEN', ARGV[i]))
    redis.call('HINCRBY', KEYS[2], 'bytes', redis.call('MEMORY', 'USAGE', ARGV[i]) or 0)
  end
end
return others
"""

# KEYS: draining. ARGV: per list its score when it is free, and its name. Lists acknowledged meanwhile stay away.
RELEASE = """
redis.call('ZREM', KEYS[1], '')
for i = 1, #ARGV, 2 do redis.call('ZADD', KEYS[1], 'XX', ARGV[i], ARGV[i + 1]) end
return 0
"""
