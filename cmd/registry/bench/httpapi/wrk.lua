-- Sends the requests of a file in turn, for ever. Each line of the file: METHOD PATH BODY, the body may be missing.
-- All are formatted beforehand, so that the load costs little of the processors it shares with the servers.

local made = 0

-- setup runs once per thread, in wrk's own Lua state; what it sets is a global in the thread's state.
function setup(thread)
  thread:set("id", made)
  thread:set("threads", tonumber(os.getenv("WRK_THREADS")))
  made = made + 1
end

local requests, last = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
    local headers = {}
    if body == "" then
      body = nil
    else
      headers["Content-Type"] = "application/x-www-form-urlencoded"
    end
    requests[#requests + 1] = wrk.format(method, path, headers, body)
  end
  -- The threads begin at different places, so that they do not write the same key at the same time.
  last = math.floor(#requests * id / threads)
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    "result requests=%d duration_us=%d bytes=%d p50_us=%d p99_us=%d connect=%d read=%d write=%d status=%d timeout=%d\n",
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
