-- Prints the totals of a run as one line of JSON, the last line of wrk's output.
function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"bytes":%d,"durationUs":%d,"p99Us":%d,"refused":%d,"broken":%d}',
    summary.requests, summary.bytes, summary.duration, latency:percentile(99.0), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
