import { readFileSync } from 'node:fs'
import type { Client } from '../src/store/connection.ts'

const SAMPLE_MS = 50

/** The most that this process and some backends of the database held meanwhile, in MiB. */
export interface PeakMemory {
  readonly processMib: number
  readonly backendMib: number
}

/**
 * Does some work, and looks at memory meanwhile.
 * @param client for looking; backends are those with the name
 */
export async function watchingMemory<T>(
  client: Client,
  applicationName: string,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly peak: PeakMemory }> {
  let [processMib, backendMib] = [0, 0]
  const sample = async () => {
    processMib = Math.max(processMib, memoryMib(process.pid, 'VmRSS'))
    const { rows } = await client.query<{ pid: number }>(
      'select pid from pg_stat_activity where application_name = $1',
      [applicationName],
    )
    for (const { pid } of rows) backendMib = Math.max(backendMib, memoryMib(pid, 'RssAnon'))
  }
  let sampling: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    sampling = sampling.then(sample)
  }, SAMPLE_MS)
  try {
    const result = await work()
    clearInterval(timer)
    await sampling
    return { result, peak: { processMib, backendMib } }
  } finally {
    clearInterval(timer)
    await sampling
  }
}

/** Memory of a process of this machine in MiB; 0 where /proc does not say. `RssAnon` leaves the shared page cache out. */
function memoryMib(pid: number, field: 'VmRSS' | 'RssAnon'): number {
  try {
    const kb = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    return Math.round(Number(kb ?? 0) / 1_024)
  } catch {
    return 0
  }
}
