-- Limits that several processes share. The rules are those of memory.py, and so are the numbers, which come as arguments.
--
-- A slot is one hash:
--   level, at      what stands in its bucket, and when that was                       (pace)
--   <number>       what was taken in this part of the period; total, turn: their sum, and the newest part   (window)
--   c:<process>    "<in flight>:<until>": a process's concurrency, void unless renewed by then
--   id, former     who made the hash. A client that knows another id knows that the state it saw has been lost.
-- Times are seconds of the server's clock, which may jump: what lies in the future is moved to now.

local PARTS, INSTANT = 60, 1e-6
local mode, process, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6

local function text(number)
    return string.format('%.17g', number)
end

-- The slot whose numbers begin at this argument: burst, rate (0: no pace), usable, part (0: no window), limit, ttl.
local function slot(key, first)
    local arg = function(i) return tonumber(ARGV[first + i]) end
    return {key = key, burst = arg(0), rate = arg(1), usable = arg(2), part = arg(3), limit = arg(4), ttl = arg(5)}
end

local function each_field(key, visit)
    local all = redis.call('HGETALL', key)
    for i = 1, #all, 2 do visit(all[i], all[i + 1]) end
end

-- Pace ------------------------------------------------------------------------------------------------------------------

local function level(s)
    local seen = redis.call('HMGET', s.key, 'level', 'at')
    if not seen[1] then return 0 end
    return math.max(tonumber(seen[1]) - math.max(now - tonumber(seen[2]), 0) * s.rate, 0)
end

local function set_level(s, value)
    redis.call('HSET', s.key, 'level', text(math.max(value, 0)), 'at', text(now))
end

local function pace_wait(s, n)
    local standing = level(s)
    if standing <= 0 then return 0 end
    return (standing + n - math.max(s.burst, n)) / s.rate
end

-- Window ----------------------------------------------------------------------------------------------------------------

-- Once per part: forget what has left the period, add the rest up anew.
local function turn(s)
    local number = math.floor(now / s.part)
    local last = redis.call('HGET', s.key, 'turn')
    if not last or tonumber(last) == number then return number end
    local total, moved = 0, 0
    each_field(s.key, function(field, value)
        local part = tonumber(field)
        if not part then return end
        if part > number then moved = moved + tonumber(value) end
        if part >= number - PARTS then total = total + tonumber(value) end
        if part > number or part < number - PARTS then redis.call('HDEL', s.key, field) end
    end)
    if moved > 0 then redis.call('HINCRBYFLOAT', s.key, number, text(moved)) end
    redis.call('HSET', s.key, 'total', text(total), 'turn', number)
    return number
end

local function window_wait(s, n)
    local number = turn(s)
    local room = math.max(s.usable - n, 0)
    local left = tonumber(redis.call('HGET', s.key, 'total') or 0)
    if left <= room then return 0 end
    local parts = {}
    each_field(s.key, function(field, value) parts[field] = tonumber(value) end)
    local finish = now
    for part = number - PARTS, number do
        local taken = parts[tostring(part)]
        if left <= room then break end
        if taken then
            left = left - taken
            finish = (part + 1 + PARTS) * s.part
        end
    end
    return finish - now
end

local function window_add(s, n, at)
    local number = turn(s)
    local part = math.max(math.min(math.floor(at / s.part), number), number - PARTS)
    redis.call('HINCRBYFLOAT', s.key, part, text(n))
    redis.call('HINCRBYFLOAT', s.key, 'total', text(n))
    redis.call('HSETNX', s.key, 'turn', number)
end

-- `at` is early by up to a quarter of a part, as clients round it: across a boundary it was the next part. And what came
-- out of a lease was taken up to a part before.
local function window_give(s, n, at)
    local number, part = turn(s), math.floor(at / s.part)
    for _, tried in ipairs({part, math.floor(at / s.part + 0.25), part - 1}) do
        local given = math.min(tonumber(redis.call('HGET', s.key, tried) or 0), n)
        if given > 0 and tried <= number then
            redis.call('HINCRBYFLOAT', s.key, tried, text(-given))
            redis.call('HINCRBYFLOAT', s.key, 'total', text(-given))
            n = n - given
        end
    end
end

-- Concurrency -----------------------------------------------------------------------------------------------------------

local function in_flight(s)
    local sum = 0
    each_field(s.key, function(field, value)
        if string.sub(field, 1, 2) ~= 'c:' then return end
        local count, ends = string.match(value, '^([^:]+):(.+)$')
        if tonumber(ends) > now then
            sum = sum + tonumber(count)
        else
            redis.call('HDEL', s.key, field)
        end
    end)
    return sum
end

local function hold(s, count)
    if count > 0 then
        redis.call('HSET', s.key, 'c:' .. process, text(count) .. ':' .. text(now + lease))
    else
        redis.call('HDEL', s.key, 'c:' .. process)
    end
end

-- All of them -----------------------------------------------------------------------------------------------------------

local function counts_in_flight(s)
    return s.rate == 0 and s.part == 0
end

local function wait(s, n)
    if counts_in_flight(s) then
        if in_flight(s) + n <= s.limit then return 0 end
        return math.huge
    end
    local longest = 0
    if s.rate > 0 then longest = pace_wait(s, n) end
    if s.part > 0 then longest = math.max(longest, window_wait(s, n)) end
    return longest
end

local function keep(s, id)
    redis.call('HSETNX', s.key, 'id', id)
    redis.call('PEXPIRE', s.key, s.ttl)
end

local function take(s, n)
    if counts_in_flight(s) then
        local own = string.match(redis.call('HGET', s.key, 'c:' .. process) or '0:', '^([^:]+)')
        hold(s, tonumber(own) + n)
    end
    if s.rate > 0 then set_level(s, level(s) + n) end
    if s.part > 0 then window_add(s, n, now) end
end

local function is_lost(s, id)
    if id == '' then return false end
    local seen = redis.call('HMGET', s.key, 'id', 'former')
    return seen[1] ~= id and seen[2] ~= id
end

-- A lease may fill the burst, but of a budget it takes no more than a quarter of what is left: others need the rest now.
local function has_room_ahead(slots, share)
    for _, s in ipairs(slots) do
        local extra = share * s.extra
        if s.rate > 0 and level(s) + s.n + extra > s.burst then return false end
        if wait(s, s.n + (s.rate > 0 and extra or 4 * extra)) > INSTANT then return false end
    end
    return true
end

local run = {}

-- ARGV from 5: numbers, amount, extra, id of each slot. Gives the wait and the share of the extra that was taken too.
function run.reserve()
    local slots, longest = {}, 0
    for i, key in ipairs(KEYS) do
        local first = 5 + (i - 1) * 9
        local s = slot(key, first)
        s.n, s.extra, s.id = tonumber(ARGV[first + 6]), tonumber(ARGV[first + 7]), ARGV[first + 8]
        if is_lost(s, s.id) then return {'lost', '0'} end
        slots[i] = s
        longest = math.max(longest, wait(s, s.n))
    end
    if longest == math.huge then return {'busy', '0'} end
    if longest > INSTANT then return {text(longest), '0'} end
    local share = 0
    for _, tried in ipairs({1, 0.5, 0.25}) do
        if share == 0 and has_room_ahead(slots, tried) then share = tried end
    end
    for _, s in ipairs(slots) do
        take(s, s.n + share * s.extra)
        keep(s, ARGV[4])
    end
    return {'0', text(share)}
end

-- ARGV from 5: numbers, in flight, change of the level, then pairs of age and change.
function run.correct()
    local s = slot(KEYS[1], 5)
    if counts_in_flight(s) then hold(s, tonumber(ARGV[11])) end
    if s.rate > 0 then set_level(s, level(s) + tonumber(ARGV[12])) end
    if s.part > 0 then
        for i = 13, #ARGV, 2 do
            local age, change = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
            if change > 0 then window_add(s, change, now - age) else window_give(s, -change, now - age) end
        end
    end
    keep(s, ARGV[4])
    return 'OK'
end

-- ARGV from 5: numbers, in flight. Renews what this process holds; gives the time and the whole hash.
function run.look()
    local s = slot(KEYS[1], 5)
    if counts_in_flight(s) then
        hold(s, tonumber(ARGV[11]))
        redis.call('PEXPIRE', s.key, s.ttl)
    end
    return {text(now), redis.call('HGETALL', s.key)}
end

-- ARGV from 5: numbers, the id that was lost, then fields and values as last seen. The first to come restores.
function run.restore()
    local s, id = slot(KEYS[1], 5), ARGV[11]
    if not is_lost(s, id) then return 'OK' end
    local image = {}
    for i = 12, #ARGV, 2 do image[ARGV[i]] = ARGV[i + 1] end
    if s.rate > 0 and image['level'] then
        local aged = math.max(now - tonumber(image['at']), 0) * s.rate
        set_level(s, level(s) + math.max(tonumber(image['level']) - aged, 0))
    end
    for field, value in pairs(image) do
        local part = tonumber(field)
        if part and part >= math.floor(now / s.part) - PARTS then window_add(s, tonumber(value), part * s.part) end
        if string.sub(field, 1, 2) == 'c:' then redis.call('HSETNX', s.key, field, value) end
    end
    redis.call('HSET', s.key, 'former', redis.call('HGET', s.key, 'id') or '', 'id', id)
    redis.call('PEXPIRE', s.key, s.ttl)
    return 'OK'
end

-- KEYS[1] is the set of live processes. Gives how many there are.
function run.present()
    redis.call('ZADD', KEYS[1], text(now + lease), process)
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now))
    redis.call('PEXPIRE', KEYS[1], math.ceil(lease * 2000))
    return redis.call('ZCARD', KEYS[1])
end

function run.leave()
    redis.call('ZREM', KEYS[1], process)
    return 'OK'
end

return run[mode]()
