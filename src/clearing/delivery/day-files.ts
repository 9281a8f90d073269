import path from 'node:path'
import type { CivilDate } from '../../calendar.ts'
import type { Queryable } from '../../store/access-pool.ts'
import { type ClearingFile, type FileState, listAllFiles } from '../../store/clearing/files.ts'
import { type Client, connect } from '../../store/connection.ts'
import type { DayStepContext } from '../day/step.ts'

/** Outgoing files of a business date, the manifest last: it says what went before it. */
export async function outgoingFiles(
  client: Queryable,
  businessDate: CivilDate,
  states?: readonly FileState[],
): Promise<ClearingFile[]> {
  const found = await listAllFiles(client, { businessDate, direction: 'out', ...(states && { states }) })
  const rank = ({ type }: ClearingFile) => (type === 'MAN' ? 1 : 0)
  return found.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
}

/** Where a file of the register stands. */
export function fileAt(folder: string, file: Pick<ClearingFile, 'path'>): string {
  return path.join(folder, file.path)
}

/** Does the work of a step on a connection of its own. */
export async function onConnection<T>(url: string, name: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect({ url, name, role: 'mizan_app' })
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** What a step's work needs of its context. */
export type StepWork = Pick<DayStepContext, 'businessDate' | 'signal' | 'nowMs' | 'progress' | 'log'>
