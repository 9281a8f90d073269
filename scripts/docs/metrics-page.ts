import { createMetrics } from '../../src/telemetry/metrics.ts'

/** docs/metrics.md: what the switch's registry holds. */
export async function renderMetricsPage(): Promise<string> {
  const { registry } = createMetrics()
  const rows: string[] = []
  for (const { name, help, type } of await registry.getMetricsAsJSON()) {
    if (!name.startsWith('mizan_')) continue
    const { labelNames } = registry.getSingleMetric(name) as unknown as { labelNames: readonly string[] }
    const labels = labelNames.map((label) => `\`${label}\``).join(', ')
    rows.push(`| \`${name}\` | ${String(type)} | ${labels} | ${help} |`)
  }
  return `# Metrics and logs

<!-- Made from src/telemetry/metrics.ts by scripts/generate-docs.ts; change that file and run the script. -->

\`GET /metrics\` on the HTTP listener gives the metrics in Prometheus' text format: those below, and those of the
process (\`process_*\`, \`nodejs_*\`; \`nodejs_eventloop_lag_p99_seconds\` tells when the writer's thread is late).
\`deploy/\` holds a Prometheus configuration with alerts ([operations.md](operations.md)) and a Grafana dashboard. Times are in seconds.

| metric | type | labels | what |
| --- | --- | --- | --- |
${rows.join('\n')}

Stages of \`mizan_stage_seconds\`: \`decode\` (bytes to fields), \`queue\` (wait in the lane: for its turn, and for the batch before), \`prefetch\` (reading
what the cache lacks, per batch), \`decide\`, \`commit\` (the statement and its fsync, per batch), \`encode\`, \`total\` (the
request's last byte to the answer's first). Eight observations and two counts cost about 0.2 µs a message, measured by
test/telemetry/metrics.test.ts, which fails above 2 µs. A metric has at most 1,000 label sets; what goes beyond is
counted under \`other\`.

## What to watch

| watch | because |
| --- | --- |
| \`mizan_batches_total{outcome!="committed"}\` rises | batches fail: the database, or a writer that was taken over |
| \`mizan_early_91_total\` rises | requests are answered 91 unseen; the reason says which limit |
| p99 of \`mizan_stage_seconds{stage="total"}\` | the latency that acquirers see |
| p99 of \`mizan_commit_seconds\` | the disk; nearly all of \`total\` at low load |
| \`mizan_ring_depth\` stays above one batch | the lane gets more than it can commit |
| \`mizan_lane_epoch\` rises without a restart | two writers contend for a lane |
| \`mizan_link_up == 0\` | a counterparty is gone |
| \`mizan_programme_failures_total\` rises | published programmes cannot be taken over: decisions go on with those from before |
| \`mizan_reference_failures_total\` rises | changes of outlets and rollout cannot be read: decisions go on with those from before |
| \`mizan_unmatched_responses_total\` rises | answers come after their time, or twice |
| \`mizan_notifications_oldest_seconds\` rises | messages are not sent: the provider, or the rate limit |
| \`mizan_notifications_total{state="dead"}\` rises | messages were given up; \`mizan notification list --state dead\` |
| \`mizan_backup_archive_failing == 1\` | the journal does not get into the archive; docs/operations.md says what to do |
| age of \`mizan_backup_last_timestamp_seconds\` | no base backup for too long |

## Logs

JSON, one object a line, on stderr; stdout is for the output of commands. \`event\` names what happened (the functions
of src/telemetry/events.ts list them all) and is stable. Every finished line passes a filter that masks card numbers,
tracks, PIN blocks, keys and long runs of digits, whatever field or message they stand in; identifiers such as the
RRN stay readable. Lines about links and refused
batches are written ten times a second of each kind and link; the next one says in \`leftOut\` how many were not: no peer and no fault
fills a disk with them, and the counters miss none.
`
}
