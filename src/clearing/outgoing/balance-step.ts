import path from 'node:path'
import { type ItemTotals, itemTotals, type LedgerTotals, ledgerTotals } from '../../store/clearing/file-totals.ts'
import type { ClearingFile, FileContent } from '../../store/clearing/files.ts'
import { connect } from '../../store/connection.ts'
import { type DayStep, type DayStepContext, type DayStepOutcome, firstOf } from '../day/step.ts'
import { readBack } from './read-back.ts'
import { ownFiles } from './write-step.ts'

/** Differences that the words of a blocked step name. */
const NAMED = 5

/**
 * The step that reads every file of the day back from disk, with the readers for files of others, and holds it against
 * its own trailer, the register, the items in the database and the ledger. Where anything differs nothing of the day is
 * sent.
 */
export function balanceStep(): DayStep {
  return {
    name: 'balance',
    description: 'the files are read back: they agree with their trailers, their items and the ledger',
    run: balance,
  }
}

async function balance(context: DayStepContext): Promise<DayStepOutcome> {
  const { url, businessDate, folder, progress, signal } = context
  const client = await connect({ url, name: 'mizan clearing balance', role: 'mizan_app' })
  try {
    const files = await ownFiles(client, businessDate)
    const differences: string[] = []
    const read = new Map<ClearingFile, FileContent>()
    for (const [index, file] of files.entries()) {
      signal.throwIfAborted()
      progress(`reading ${file.name}`, index, files.length)
      const content = file.state === 'written' ? await readOne(path.join(folder, file.path), file, differences) : file
      if (content === undefined || content.bytes === undefined) continue
      read.set(file, content as FileContent)
      differences.push(...differencesOf(file, content as FileContent, await itemTotals(client, file, { signal })))
    }
    progress('comparing with the ledger', files.length, files.length)
    differences.push(...ledgerDifferences(read, await ledgerTotals(client, businessDate, { signal, progress })))
    if (differences.length > 0) return blocked(differences)
    const gross = [...read.values()].reduce((sum, { grossPiasters }) => sum + grossPiasters, 0n)
    const words = `${read.size} file(s) agree with their trailers, the items and the ledger`
    return { state: 'done', words, detail: { files: read.size, grossPiasters: String(gross) } }
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function readOne(place: string, file: ClearingFile, differences: string[]): Promise<FileContent | undefined> {
  try {
    return await readBack(place, file.type)
  } catch (error) {
    differences.push(error instanceof Error ? error.message : String(error))
    return undefined
  }
}

/** What of a file is another than the register and the items say. */
export function differencesOf(file: ClearingFile, read: FileContent, items: ItemTotals): string[] {
  const differences: string[] = []
  const compare = (what: string, found: unknown, wanted: unknown, whose: string) => {
    if (String(found) !== String(wanted)) differences.push(`${file.name}: ${what} ${found}, ${whose} ${wanted}`)
  }
  if (file.sha256?.equals(read.sha256) !== true) differences.push(`${file.name} was changed since it was written`)
  compare('bytes', read.bytes, file.bytes, 'the register')
  compare('records', read.records, file.records, 'the register')
  compare('items', read.items, file.items, 'the register')
  compare('gross amount', read.grossPiasters, file.grossPiasters, 'the register')
  for (const [key, value] of Object.entries(read.totals)) compare(key, value, file.totals[key], 'the register')
  if (file.type === 'OUT') return differences
  compare('items', read.items, items.items, 'the database')
  compare('items', read.items, items.lastNumber, 'the last number in the database')
  if (file.type === 'CTF') {
    compare('gross amount', read.grossPiasters, items.grossPiasters, 'the items')
    compare('net amount', read.totals.netPiasters, items.netPiasters, 'the items')
  } else {
    compare('dispensed', read.totals.dispensed, items.dispensed, 'the items')
    compare('returned', read.totals.returned, items.returned, 'the items')
    compare('co-payments', read.totals.coPaymentPiasters, items.coPaymentPiasters, 'the items')
  }
  return differences
}

/** Where the files of a date together come to something else than the ledger posted on it. */
function ledgerDifferences(read: ReadonlyMap<ClearingFile, FileContent>, ledger: LedgerTotals): string[] {
  const differences: string[] = []
  const sum = (type: string, key: string, only?: (totals: FileContent['totals']) => boolean) => {
    let total = 0n
    for (const [file, { totals }] of read) {
      if (file.type === type && (only === undefined || only(totals))) total += BigInt(String(totals[key] ?? 0))
    }
    return total
  }
  const compare = (what: string, files: bigint, posted: bigint) => {
    if (files !== posted) differences.push(`${what}: the files say ${files}, the ledger posted ${posted}`)
  }
  compare('net of the card scheme, piasters', sum('CTF', 'netPiasters'), ledger.networkPiasters)
  for (const [programme, quantity] of ledger.subsidies) {
    const found = sum('SUB', 'quantity', (totals) => Number(totals.programme) === programme)
    compare(`units of programme ${programme}`, found, quantity)
  }
  const inLedger = [...ledger.subsidies.values()].reduce((total, quantity) => total + quantity, 0n)
  compare('units of all programmes', sum('SUB', 'quantity'), inLedger)
  compare('credits of outlets, piasters', sum('OUT', 'creditPiasters'), ledger.outletCreditPiasters)
  compare('debits of outlets, piasters', sum('OUT', 'debitPiasters'), ledger.outletDebitPiasters)
  compare('payable to outlets, piasters', sum('OUT', 'payablePiasters'), sum('SUB', 'payablePiasters'))
  return differences
}

function blocked(differences: readonly string[]): DayStepOutcome {
  const named = firstOf(differences, NAMED)
  return {
    state: 'blocked',
    words: `${named}. Nothing of the day is sent; find out with mizan clearing verify and mizan verify`,
  }
}
