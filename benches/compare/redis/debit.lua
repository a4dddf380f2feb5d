-- One debit: checked against what remains and against the session's end, under an idempotency key, all or nothing.
-- KEYS: the session, the book of debits. ARGV: idempotency key, amount, now (seconds).
-- Answers what remains; -1 for a repeated intent; -2 for a repeated key with another amount; -3 declined.
local amount = ARGV[2]
if redis.call('HSETNX', KEYS[2], ARGV[1], amount) == 0 then
    redis.call('INCR', 'repeated')
    if redis.call('HGET', KEYS[2], ARGV[1]) == amount then return -1 end
    return -2
end
local session = redis.call('HMGET', KEYS[1], 'cap', 'spent', 'ends')
local left = tonumber(session[1]) - tonumber(session[2]) - tonumber(amount)
if left < 0 or tonumber(session[3]) <= tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[2], ARGV[1])
    redis.call('INCR', 'declined')
    return -3
end
redis.call('HINCRBY', KEYS[1], 'spent', amount)
return left
