-- Prints the totals of a run and all its latencies, since percentiles of several runs cannot be joined otherwise, as one
-- line of JSON, the last line of wrk's output.
function done(summary, latency)
  local counts = {}
  for i = 1, #latency do
    local us, count = latency(i)
    counts[i] = '[' .. us .. ',' .. count .. ']'
  end
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"durationUs":%d,"refused":%d,"broken":%d,"latencies":[%s]}',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, table.concat(counts, ',')))
end
