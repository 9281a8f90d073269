import { formatDate } from '../../calendar.ts'
import { assert } from '../../errors.ts'
import { transferKindOf } from '../../ledger/posting-rules.ts'
import type { FileContent } from '../../store/clearing/files.ts'
import type { ClearingOutlet, StatementLine } from '../../store/clearing/items.ts'
import type { FileSink } from '../atomic-file.ts'
import { payableOf } from '../settlement/tariff.ts'
import { csvLine, HASH_MODULUS } from './lines.ts'
import { type BankFileSource, LINE_FORMAT } from './subsidy-file.ts'

/** What the outlet statements of a bank are written from. */
export interface StatementFileSource extends BankFileSource {
  readonly lines: AsyncIterable<readonly StatementLine[]>
}

interface OutletSums {
  readonly outlet: ClearingOutlet
  credit: bigint
  debit: bigint
  payable: bigint
}

/**
 * Writes the statements of a bank's outlets: for each the money that moved on its account by kind, what is payable to
 * it for each programme and entitlement date, and both together; behind all a trailer.
 * @returns its totals; the gross amount is all credits, debits and payables without regard to their direction
 */
export async function writeStatementFile(
  sink: FileSink,
  source: StatementFileSource,
): Promise<Omit<FileContent, 'bytes' | 'sha256'>> {
  const writer = new StatementWriter(sink, source)
  await writer.begin()
  for await (const some of source.lines) for (const line of some) await writer.add(line)
  return await writer.end()
}

class StatementWriter {
  readonly #sink: FileSink
  readonly #source: StatementFileSource
  #open: OutletSums | undefined
  #records = 0
  #items = 0
  #outlets = 0
  #credit = 0n
  #debit = 0n
  #payable = 0n
  #gross = 0n
  #hash = 0n

  constructor(sink: FileSink, source: StatementFileSource) {
    this.#sink = sink
    this.#source = source
  }

  async begin(): Promise<void> {
    const { name, centre, bank, businessDate, cycle, sequence } = this.#source
    await this.#line(['H', 'OUT', LINE_FORMAT, name, centre, bank, formatDate(businessDate), cycle, sequence])
  }

  async add(line: StatementLine): Promise<void> {
    if (this.#open?.outlet.id !== line.outletId) {
      await this.#close()
      const outlet = this.#source.outlets.get(line.outletId)
      assert(outlet !== undefined, 'an outlet of a statement was kept with its items')
      this.#open = { outlet, credit: 0n, debit: 0n, payable: 0n }
    }
    this.#items++
    const sums = this.#open as OutletSums
    if ('kind' in line) await this.#addMoney(sums, line)
    else await this.#addProgramme(sums, line)
  }

  async #addMoney(sums: OutletSums, line: Extract<StatementLine, { kind: number }>): Promise<void> {
    const { creditPiasters: credit, debitPiasters: debit } = line
    sums.credit += credit
    sums.debit += debit
    this.#gross += credit + debit
    await this.#line(['M', sums.outlet.acceptor, sums.outlet.id, transferKindOf(line.kind), line.count, credit, debit])
  }

  async #addProgramme(sums: OutletSums, line: Extract<StatementLine, { programme: number }>): Promise<void> {
    const { programme, entitlementDate, quantity, count } = line
    const payable = payableOf(this.#source.catalogue, sums.outlet, { programme, entitlementDate, quantity })
    const piasters = payable?.payablePiasters ?? 0n
    sums.payable += piasters
    this.#gross += piasters < 0n ? -piasters : piasters
    const what = [payable?.code ?? programme, payable?.unit, formatDate(entitlementDate)]
    await this.#line(['U', sums.outlet.acceptor, sums.outlet.id, ...what, count, quantity, piasters])
  }

  async #close(): Promise<void> {
    const open = this.#open
    if (open === undefined) return
    const { outlet, credit, debit, payable } = open
    const amounts = [credit, debit, credit - debit, payable, credit - debit + payable]
    await this.#line(['O', outlet.acceptor, outlet.id, outlet.account, outlet.name, ...amounts])
    this.#outlets++
    this.#credit += credit
    this.#debit += debit
    this.#payable += payable
    this.#hash = (this.#hash + BigInt(outlet.id)) % HASH_MODULUS
    this.#open = undefined
  }

  async end(): Promise<Omit<FileContent, 'bytes' | 'sha256'>> {
    await this.#close()
    const [credit, debit, payable] = [this.#credit, this.#debit, this.#payable]
    const amounts = [credit, debit, credit - debit, payable, credit - debit + payable]
    await this.#line(['T', this.#records + 1, this.#items, this.#outlets, ...amounts, this.#hash])
    return {
      records: this.#records,
      items: this.#items,
      grossPiasters: this.#gross,
      totals: {
        outlets: this.#outlets,
        creditPiasters: String(credit),
        debitPiasters: String(debit),
        netPiasters: String(credit - debit),
        payablePiasters: String(payable),
      },
    }
  }

  async #line(cells: Parameters<typeof csvLine>[0]): Promise<void> {
    this.#records++
    await this.#sink.text(csvLine(cells))
  }
}
