-- The client: POSTs one body after the other over kept connections, each with a key of its own, each for an account drawn at random.
-- Arguments: a prefix for the keys, the file of accounts, the path, the authorization, the body (ACCOUNT and KEY stand for themselves).
local accounts, count = {}, 0
local prefix, path, body, headers

function init(args)
    prefix, path, body = args[1], args[3], args[5]
    for line in io.lines(args[2]) do
        accounts[#accounts + 1] = line
    end
    headers = { ["Content-Type"] = "application/json", ["Authorization"] = args[4], ["On-Behalf-Of"] = args[6] }
    math.randomseed(os.time())
end

function request()
    count = count + 1
    local key = prefix .. count
    local filled = body:gsub("ACCOUNT", accounts[math.random(#accounts)]):gsub("KEY", key)
    headers["Idempotency-Key"] = key
    return wrk.format("POST", path, headers, filled)
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\nRESULT {"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "p50": %d, "p99": %d}\n',
        summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
