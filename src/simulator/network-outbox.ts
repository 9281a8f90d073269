import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { CivilDate } from '../calendar.ts'
import { networkFileBytes, networkTotal, presentmentOf, type TerminalRecord } from './network-clearing.ts'

/** Where the network leaves its files, and what it knows of those it left before. */
export interface NetworkOutbox {
  /** Such as `clearing/in` of the data folder. */
  readonly folder: string
  readonly processingBin: string
  readonly date: CivilDate
  /** Number of the last file of the date that was taken from the folder; 0 = none. */
  readonly lastTaken: number
}

const NAME = /^network-(\d{8})-(\d{3})\.ctf$/

/**
 * Leaves the network's file for what terminals were answered, and its own total of it, whole or not at all.
 * @returns the name of the file
 */
export function leaveNetworkFile(records: readonly TerminalRecord[], outbox: NetworkOutbox): string {
  const { folder, processingBin, date, lastTaken } = outbox
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const waiting = readdirSync(folder).flatMap((name) => {
    const [, of, number] = NAME.exec(name) ?? []
    return Number(of) === date ? [Number(number)] : []
  })
  const fileId = Math.max(lastTaken, ...waiting) + 1
  const presented = records.map(presentmentOf)
  const transactions = [...presented, networkTotal(presented, date, processingBin)]
  const name = `network-${date}-${String(fileId).padStart(3, '0')}.ctf`
  const file = path.join(folder, name)
  const bytes = Buffer.concat([...networkFileBytes({ processingBin, date, fileId, transactions })])
  writeFileSync(`${file}.part`, bytes, { mode: 0o600 })
  renameSync(`${file}.part`, file)
  return name
}
