-- Budgets that several processes share. Amounts are whole nano-dollars: Redis adds them up as 64-bit integers, Lua only
-- compares them. An amount is never made of text and back, except where a limit bounds it below 2^53.
--
-- KEYS[1] is home, one hash for all budgets:
--   run      which server, since its last start
--   era      changes when what is kept may have been lost: the server is another, or was emptied
--   begun    when the era began
-- An account is one hash per budget, window and whose it is:
--   spent    settled
--   base     what of it was there when the era began, raised to what any process knows of the time before
--   held     reserved by attempts in flight; `lapsed` is the part of it that nobody will settle any more
--   due      no reservation lapses before
--   r:<id>   a reservation: "<amount>:<until>", or "<amount>:lapsed"
--   x:<process>   the newest note of that process that was counted
-- Times are seconds of the server's clock.

local mode = ARGV[1]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local KEEP_S, QUIET_S, HOME_MS = 3600, 3, 40 * 86400 * 1000

local function text(number)
    return string.format('%.6f', number)
end

local function spent(key)
    return redis.call('HGET', key, 'spent') or '0'
end

-- Numbers of an account, made if new; those of an earlier era are what this one begins with.
local function open(key, era, ends)
    local seen = redis.call('HMGET', key, 'era', 'spent', 'base', 'held', 'lapsed', 'due')
    local a = {key = key, told = seen[2] or '0', spent = tonumber(seen[2] or 0), base = tonumber(seen[3] or 0)}
    a.held, a.lapsed, a.due = tonumber(seen[4] or 0), tonumber(seen[5] or 0), tonumber(seen[6] or 0)
    if seen[1] ~= era then
        a.base = a.spent
        redis.call('HSET', key, 'era', era, 'base', a.told)
        local till = math.max(tonumber(ends), now) + KEEP_S
        redis.call('PEXPIREAT', key, string.format('%.0f', till * 1000))
    end
    return a
end

-- The processes of these reservations were killed. Their calls may have been billed: what they held stays counted.
local function lapse(a)
    if a.due == 0 or now < a.due then return end
    local all, due = redis.call('HGETALL', a.key), 0
    for i = 1, #all, 2 do
        if string.sub(all[i], 1, 2) == 'r:' then
            local amount, till = string.match(all[i + 1], '^(%d+):(.+)$')
            if till ~= 'lapsed' and tonumber(till) <= now then
                redis.call('HSET', a.key, all[i], amount .. ':lapsed')
                redis.call('HINCRBY', a.key, 'lapsed', amount)
                a.lapsed = a.lapsed + tonumber(amount)
            elseif till ~= 'lapsed' and (due == 0 or tonumber(till) < due) then
                due = tonumber(till)
            end
        end
    end
    redis.call('HSET', a.key, 'due', text(due))
end

local function hold(a, id, amount, lease_s)
    local till = now + lease_s
    if redis.call('HSETNX', a.key, 'r:' .. id, amount .. ':' .. text(till)) == 0 then return end
    redis.call('HINCRBY', a.key, 'held', amount)
    if a.due == 0 or till < a.due then redis.call('HSET', a.key, 'due', text(till)) end
end

local run = {}

-- ARGV from 5: the server's run, the era known to the process ('' if none). Gives the time, the era, and how long
-- nothing may be reserved yet: until all processes have told what they know of the time before.
function run.greet()
    local server, known = ARGV[5], ARGV[6]
    local seen = redis.call('HMGET', KEYS[1], 'era', 'run', 'begun')
    local era, begun = seen[1], tonumber(seen[3] or 0)
    if not era or seen[2] ~= server then
        local new = not era and known == ''  -- nobody has been here yet, as far as this process can tell
        era, begun = text(now) .. ':' .. ARGV[4], new and now - QUIET_S or now
        redis.call('HSET', KEYS[1], 'era', era, 'run', server, 'begun', text(begun))
    elseif begun + QUIET_S <= now and known ~= '' and known ~= era then
        begun = now  -- somebody else began anew, without knowing what this process knows
        redis.call('HSET', KEYS[1], 'begun', text(begun))
    end
    redis.call('PEXPIRE', KEYS[1], HOME_MS)
    return {text(now), era, text(math.max(begun + QUIET_S - now, 0))}
end

-- All others: ARGV[5] is the era; another one is refused, so that nothing is counted before what was lost is told.
local function is_over()
    return redis.call('HGET', KEYS[1], 'era') ~= ARGV[5]
end

-- ARGV from 6: pairs of what the process knew to be spent, and the window's end.
function run.recall()
    if is_over() then return {'over'} end
    for i = 2, #KEYS do
        local known, a = ARGV[2 * i + 2], open(KEYS[i], ARGV[5], ARGV[2 * i + 3])
        if tonumber(known) > a.base then
            redis.call('HINCRBY', a.key, 'spent', string.format('%.0f', tonumber(known) - a.base))
            redis.call('HSET', a.key, 'base', known)
        end
    end
    return {'done'}
end

-- ARGV from 6: id, amount, seconds of the lease, then pairs of limit (-1: none) and window's end. Asked twice under one
-- id it is one reservation. `force`: it was granted before what was kept got lost.
local function reserve(force)
    local home = redis.call('HMGET', KEYS[1], 'era', 'begun')
    if home[1] ~= ARGV[5] then return {'over'} end
    local id, amount, lease_s, accounts, answer = ARGV[6], ARGV[7], tonumber(ARGV[8]), {}, {'held'}
    local quiet_s = tonumber(home[2]) + QUIET_S - now
    if quiet_s > 0 and not force then return {'quiet', text(quiet_s)} end
    for i = 2, #KEYS do
        local a = open(KEYS[i], ARGV[5], ARGV[2 * i + 6])
        a.limit = tonumber(ARGV[2 * i + 5])
        lapse(a)
        accounts[i - 1] = a
    end
    local known = redis.call('HEXISTS', KEYS[2], 'r:' .. id) == 1
    for i, a in ipairs(accounts) do
        if not force and not known and a.limit >= 0 and a.spent + a.held + tonumber(amount) > a.limit then
            local soon = a.spent + a.lapsed + tonumber(amount) <= a.limit
            return {'full', i, soon and 1 or 0, a.told}
        end
    end
    for i, a in ipairs(accounts) do
        hold(a, id, amount, lease_s)
        answer[i + 1] = a.told
    end
    return answer
end

function run.reserve() return reserve(false) end
function run.renew() return reserve(true) end

-- ARGV from 6: id, spent, then the windows' ends. Gives per account whether it was counted now (not before), and what is spent.
function run.settle()
    if is_over() then return {'over'} end
    local id, amount, answer = 'r:' .. ARGV[6], ARGV[7], {'done'}
    for i = 2, #KEYS do
        local key = KEYS[i]
        local was, till = string.match(redis.call('HGET', key, id) or '', '^(%d+):(.+)$')
        if was then
            open(key, ARGV[5], ARGV[i + 6])
            redis.call('HDEL', key, id)
            redis.call('HINCRBY', key, 'held', '-' .. was)
            if till == 'lapsed' then redis.call('HINCRBY', key, 'lapsed', '-' .. was) end
            redis.call('HINCRBY', key, 'spent', amount)
        end
        answer[2 * i - 2], answer[2 * i - 1] = was and 1 or 0, spent(key)
    end
    return answer
end

-- ARGV from 6: number of the note, then pairs of amount and window's end. What was spent without a reservation.
function run.add()
    if is_over() then return {'over'} end
    local number, answer, mark = ARGV[6], {'done'}, 'x:' .. ARGV[2]
    for i = 2, #KEYS do
        local a = open(KEYS[i], ARGV[5], ARGV[2 * i + 4])
        local new = tonumber(number) > tonumber(redis.call('HGET', a.key, mark) or 0)
        if new then
            redis.call('HSET', a.key, mark, number)
            redis.call('HINCRBY', a.key, 'spent', ARGV[2 * i + 3])
        end
        answer[2 * i - 2], answer[2 * i - 1] = new and 1 or 0, spent(a.key)
    end
    return answer
end

return run[mode]()
