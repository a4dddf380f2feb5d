-- Many debits in one call, each decided on its own as in debit.lua, all of them one step of Redis.
-- KEYS: the book of debits, then one session for each debit. ARGV: now (seconds), then key and amount of each debit.
-- Answers one number for each.
local book, now, answers = KEYS[1], tonumber(ARGV[1]), {}
for nth = 2, #KEYS do
    local session_key, key, amount = KEYS[nth], ARGV[nth * 2 - 2], ARGV[nth * 2 - 1]
    local answer
    if redis.call('HSETNX', book, key, amount) == 0 then
        redis.call('INCR', 'repeated')
        answer = redis.call('HGET', book, key) == amount and -1 or -2
    else
        local session = redis.call('HMGET', session_key, 'cap', 'spent', 'ends')
        answer = tonumber(session[1]) - tonumber(session[2]) - tonumber(amount)
        if answer < 0 or tonumber(session[3]) <= now then
            redis.call('HDEL', book, key)
            redis.call('INCR', 'declined')
            answer = -3
        else
            redis.call('HINCRBY', session_key, 'spent', amount)
        end
    end
    answers[nth - 1] = answer
end
return answers
