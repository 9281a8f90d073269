import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { readBankFile } from '../../src/clearing/iso20022/bank-file-reader.ts'
import { type StatementLine, writeStatements } from '../../src/clearing/iso20022/statement-writer.ts'

const ENTRIES = 220_000
const MIB = 1024 * 1024
const day = 20261122 as CivilDate
const createdMs = Date.UTC(2026, 10, 22, 20, 30)

function* lines(): Generator<StatementLine> {
  for (let number = 1; number <= ENTRIES; number++) {
    yield {
      reference: `N${number}`,
      amountPiasters: 100n,
      credit: false,
      status: 'BOOK',
      bookingDate: day,
      valueDate: day,
      accountServicerReference: `BK${number}`,
      transactionCode: 'PMNT/ICDT/DMCT',
      transactions: [{ endToEndId: `E${number}`, amountPiasters: 100, credit: false, remittance: 'payment of a day' }],
    }
  }
}

t.test('a statement of more than 100 MB is written and read with little memory', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'bank-size-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'statement.xml')
  const balance = (amountPiasters: bigint) => ({ amountPiasters, date: day })
  const report = {
    id: 'S1',
    createdMs,
    account: { number: '12345678' },
    opening: balance(0n),
    closing: balance(-100n * BigInt(ENTRIES)),
    lines: lines(),
  }
  let peak = 0
  const look = () => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }
  const before = process.memoryUsage().rss
  await pipeline(
    Readable.from(writeStatements({ messageId: 'M1', createdMs, reports: [report] })),
    createWriteStream(file),
  )
  look()
  let entries = 0
  for await (const event of readBankFile(createReadStream(file), { file: 'statement.xml' })) {
    if (event.type !== 'entry') continue
    entries++
    if (entries % 10_000 === 0) look()
  }
  const size = statSync(file).size
  t.equal(entries, ENTRIES)
  t.ok(size > 100 * MIB, `${Math.round(size / MIB)} MiB`)
  t.ok(peak - before < 300 * MIB, `${Math.round((peak - before) / MIB)} MiB more than before`)
  t.comment(`${Math.round(size / MIB)} MiB of XML, ${Math.round((peak - before) / MIB)} MiB of memory more`)
})
