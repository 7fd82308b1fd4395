-- Writes the time of sending, in microseconds since the second args[1], to one of args[2] entries after the other, so
-- that each write is a change and a watcher can tell how old it is. One of args[3] entries is in the watched directory.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long sec; long nsec; } rollcall_time;
  int clock_gettime(int clock, rollcall_time *now);
]]

local now = ffi.new("rollcall_time")
local heads, entry, base = {}, 0, 0

function init(args)
  base = tonumber(args[1])
  for i = 1, tonumber(args[2]) do
    local dir = i % tonumber(args[3]) == 0 and "watched" or string.format("d%03d", i / 1000)
    heads[i] = string.format("PUT /v2/keys/bench/%s/fe%06d HTTP/1.1\r\nHost: registry\r\n" ..
      "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ", dir, i)
  end
end

function request()
  entry = entry % #heads + 1
  ffi.C.clock_gettime(0, now) -- CLOCK_REALTIME
  local body = string.format("value=%d", (tonumber(now.sec) - base) * 1000000 + math.floor(tonumber(now.nsec) / 1000))
  return heads[entry] .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    "result requests=%d duration_us=%d p50_us=%d p99_us=%d connect=%d read=%d write=%d status=%d timeout=%d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
