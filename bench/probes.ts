import { readdirSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import type { Client } from 'pg'

/** CPU time used so far, in seconds, and the machine's. */
export interface CpuReading {
  readonly atMs: number
  readonly generator: number
  readonly switch: number
  readonly postgres: number
  /** Busy time of all processors. */
  readonly machine: number
}

const TICKS_PER_SECOND = 100

/** Reads CPU times from /proc; undefined where there is none. */
export function readCpu(switchPid: number, postgresPid: number): CpuReading | undefined {
  try {
    const own = process.cpuUsage()
    return {
      atMs: performance.now(),
      generator: (own.user + own.system) / 1e6,
      switch: processSeconds(switchPid, false),
      postgres:
        processSeconds(postgresPid, true) + childrenOf(postgresPid).reduce((sum, pid) => sum + childSeconds(pid), 0),
      machine: machineSeconds(),
    }
  } catch {
    return undefined
  }
}

/** Cores used between two readings. */
export function coresUsed(from: CpuReading | undefined, to: CpuReading | undefined) {
  if (from === undefined || to === undefined) return null
  const seconds = (to.atMs - from.atMs) / 1_000
  const cores = (used: number) => Math.round((used / seconds) * 100) / 100
  const generator = to.generator - from.generator
  const mine = to.switch - from.switch
  const postgres = to.postgres - from.postgres
  const others = to.machine - from.machine - generator - mine - postgres
  return { generator: cores(generator), switch: cores(mine), postgres: cores(postgres), others: cores(others) }
}

export type CoresUsed = ReturnType<typeof coresUsed>

/** Resident memory of a process in MiB; null where /proc does not say. */
export function residentMib(pid: number): number | null {
  try {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
    return line === null ? null : Math.round(Number(line[1]) / 1_024)
  } catch {
    return null
  }
}

/** User and system time, with that of children that ended if asked for. */
function processSeconds(pid: number, withEnded: boolean): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The name in brackets may hold anything; the fields are counted behind it: utime is the twelfth.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15).map(Number)
  return (utime + stime + (withEnded ? cutime + cstime : 0)) / TICKS_PER_SECOND
}

function childSeconds(pid: number): number {
  try {
    return processSeconds(pid, false)
  } catch {
    return 0
  }
}

/** Processes that a process started and that still run. */
export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent)
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return -1
  }
}

function machineSeconds(): number {
  const line = readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? ''
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(/\s+/).slice(1).map(Number)
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
}

/** What the database did so far. */
export interface DatabaseReading {
  readonly commits: number
  readonly walBytes: number
  readonly walRecords: number
  readonly walFullPages: number
  readonly batches: number
  readonly databaseBytes: number
  /** Pages of tables and indexes that connections had to read, not finding them in the server's memory. */
  readonly pagesRead: number
  /** Writes that made a new segment of the log, inside some commit, instead of reusing an old one. */
  readonly segmentWrites: number
}

export async function readDatabase(client: Client): Promise<DatabaseReading> {
  const { rows } = await client.query<Record<string, string>>(`
    select (select xact_commit from pg_stat_database where datname = current_database()) as commits,
           wal_bytes, wal_records, wal_fpi, (select sum(last_seq) from lane) as batches,
           pg_database_size(current_database()) as database_bytes,
           (select sum(reads) from pg_stat_io where object = 'relation' and backend_type = 'client backend') as pages_read,
           (select sum(writes) from pg_stat_io where object = 'wal' and context = 'init') as segment_writes
    from pg_stat_wal`)
  const [row] = rows
  return {
    commits: Number(row?.commits),
    walBytes: Number(row?.wal_bytes),
    walRecords: Number(row?.wal_records),
    walFullPages: Number(row?.wal_fpi),
    batches: Number(row?.batches),
    databaseBytes: Number(row?.database_bytes),
    pagesRead: Number(row?.pages_read),
    segmentWrites: Number(row?.segment_writes),
  }
}

/** Samples of the switch's /metrics page by name and labels. */
export type MetricSamples = ReadonlyMap<string, number>

/** Reads the switch's metrics. */
export async function readMetrics(httpPort: number): Promise<MetricSamples> {
  const page = await new Promise<string>((resolve, reject) => {
    get({ host: '127.0.0.1', port: httpPort, path: '/metrics' }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
      response.on('error', reject)
    }).on('error', reject)
  })
  const samples = new Map<string, number>()
  for (const line of page.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const space = line.lastIndexOf(' ')
    samples.set(line.slice(0, space), Number(line.slice(space + 1)))
  }
  return samples
}

/** Growth of a sample between two readings. */
export function grown(from: MetricSamples, to: MetricSamples, name: string): number {
  return (to.get(name) ?? 0) - (from.get(name) ?? 0)
}
