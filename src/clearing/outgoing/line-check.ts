import type { FileContent } from '../../store/clearing/files.ts'
import { HASH_MODULUS, lineProblem, readLines, type TextLine, wholeCell } from './lines.ts'

/** What was read of a file, in the terms of the register. */
export type ReadContent = Omit<FileContent, 'bytes' | 'sha256'>

/** A total of a trailer: its name, where it stands, and what the lines before it give. */
type Total = readonly [name: string, at: number, found: bigint]

const SUB = { number: 1, authorization: 2, code: 3, acceptor: 4, date: 5, quantity: 6, coPayment: 7 } as const
/** Of an outlet's lines (M, U, O). */
const OUTLET = 2

/**
 * Reads a subsidy file and holds it against itself: items are numbered from 1, each subtotal is that of the items
 * before it, the trailer that of all.
 * @throws MizanError BAD_INPUT naming file and line at the first thing that is not right
 */
export async function checkSubsidyFile(chunks: AsyncIterable<Uint8Array>, file: string): Promise<ReadContent> {
  const sums = { items: 0n, dispensed: 0n, returned: 0n, coPayment: 0n }
  const all = { ...sums, subtotals: 0n, holdersPaid: 0n, payable: 0n, gross: 0n, hash: 0n }
  const outlets = new Set<string>()
  const group = new LineGroup(file)
  let programme = 0
  const { lines } = await readTrailed(chunks, file, 'SUB', {
    head: (line) => {
      programme = Number(wholeCell(file, line, 6, 'the programme'))
    },
    line: (line) => {
      if (line.kind === 'I') {
        group.add(line, line.cells[SUB.acceptor], line.cells[SUB.date])
        addItem(file, line, sums, all)
      } else if (line.kind === 'S') {
        group.end(line, line.cells[1], line.cells[4])
        const found: Total[] = [
          ['items', 9, sums.items],
          ['dispensed', 10, sums.dispensed],
          ['returned', 11, sums.returned],
          ['quantity', 12, sums.dispensed - sums.returned],
          ['co-payments', 13, sums.coPayment],
        ]
        compare(file, line, found)
        all.holdersPaid += wholeCell(file, line, 14, 'what holders paid')
        const payable = wholeCell(file, line, 15, 'what is payable')
        all.payable += payable
        all.gross += payable < 0n ? -payable : payable
        all.subtotals++
        outlets.add(line.cells[2] ?? '')
        Object.assign(sums, { items: 0n, dispensed: 0n, returned: 0n, coPayment: 0n })
      } else {
        throw lineProblem(file, line.number, 'is no item (I), subtotal (S) or trailer (T)')
      }
    },
    totals: (line) => {
      group.none(line, 'the subtotal of the last items')
      return [
        ['items', 2, all.items],
        ['subtotals', 3, all.subtotals],
        ['outlets', 4, BigInt(outlets.size)],
        ['dispensed', 5, all.dispensed],
        ['returned', 6, all.returned],
        ['quantity', 7, all.dispensed - all.returned],
        ['co-payments', 8, all.coPayment],
        ['what holders paid', 9, all.holdersPaid],
        ['what is payable', 10, all.payable],
        ['the hash of authorizations', 11, all.hash],
      ]
    },
  })
  const { dispensed, returned, coPayment, holdersPaid, payable } = all
  return {
    records: lines,
    items: Number(all.items),
    grossPiasters: all.gross,
    totals: {
      programme,
      outlets: outlets.size,
      dispensed: String(dispensed),
      returned: String(returned),
      quantity: String(dispensed - returned),
      coPaymentPiasters: String(coPayment),
      holdersPaidPiasters: String(holdersPaid),
      payablePiasters: String(payable),
    },
  }
}

interface ItemSums {
  items: bigint
  dispensed: bigint
  returned: bigint
  coPayment: bigint
}

function addItem(file: string, line: TextLine, sums: ItemSums, all: ItemSums & { hash: bigint }): void {
  const number = wholeCell(file, line, SUB.number, 'its number')
  if (number !== all.items + 1n)
    throw lineProblem(file, line.number, `is item ${number}, and ${all.items + 1n} is next`)
  const code = line.cells[SUB.code] ?? ''
  if (!['RD', 'RT', 'RA'].includes(code)) throw lineProblem(file, line.number, 'is no RD, RT or RA')
  const quantity = wholeCell(file, line, SUB.quantity, 'the quantity')
  const paid = wholeCell(file, line, SUB.coPayment, 'the co-payment')
  for (const to of [sums, all]) {
    to.items++
    if (code === 'RT') to.returned += quantity
    else to.dispensed += quantity
    to.coPayment += code === 'RT' ? -paid : paid
  }
  all.hash = (all.hash + wholeCell(file, line, SUB.authorization, 'the authorization')) % HASH_MODULUS
}

/**
 * Reads outlet statements and holds them against themselves, as {@link checkSubsidyFile} does.
 * @throws MizanError BAD_INPUT
 */
export async function checkStatementFile(chunks: AsyncIterable<Uint8Array>, file: string): Promise<ReadContent> {
  const sums = { credit: 0n, debit: 0n, payable: 0n }
  const all = { ...sums, items: 0n, outlets: 0n, gross: 0n, hash: 0n }
  const group = new LineGroup(file)
  const absolute = (value: bigint) => (value < 0n ? -value : value)
  const { lines } = await readTrailed(chunks, file, 'OUT', {
    head: () => undefined,
    line: (line) => {
      if (line.kind === 'M' || line.kind === 'U') group.add(line, line.cells[OUTLET])
      if (line.kind === 'M') {
        all.items++
        const [credit, debit] = [wholeCell(file, line, 5, 'the credit'), wholeCell(file, line, 6, 'the debit')]
        sums.credit += credit
        sums.debit += debit
        all.gross += credit + debit
      } else if (line.kind === 'U') {
        all.items++
        const payable = wholeCell(file, line, 8, 'what is payable')
        sums.payable += payable
        all.gross += absolute(payable)
      } else if (line.kind === 'O') {
        group.end(line, line.cells[OUTLET])
        compare(file, line, amountsOf(sums, 5))
        all.outlets++
        all.hash = (all.hash + wholeCell(file, line, OUTLET, 'the outlet')) % HASH_MODULUS
        all.credit += sums.credit
        all.debit += sums.debit
        all.payable += sums.payable
        Object.assign(sums, { credit: 0n, debit: 0n, payable: 0n })
      } else {
        throw lineProblem(file, line.number, 'is no line of an outlet (M, U, O) or trailer (T)')
      }
    },
    totals: (line) => {
      group.none(line, 'the line (O) of the last outlet')
      return [
        ['lines', 2, all.items],
        ['outlets', 3, all.outlets],
        ...amountsOf(all, 4),
        ['the hash of outlets', 9, all.hash],
      ]
    },
  })
  const { credit, debit, payable } = all
  return {
    records: lines,
    items: Number(all.items),
    grossPiasters: all.gross,
    totals: {
      outlets: Number(all.outlets),
      creditPiasters: String(credit),
      debitPiasters: String(debit),
      netPiasters: String(credit - debit),
      payablePiasters: String(payable),
    },
  }
}

function amountsOf(sums: { credit: bigint; debit: bigint; payable: bigint }, at: number): Total[] {
  const { credit, debit, payable } = sums
  return [
    ['credits', at, credit],
    ['debits', at + 1, debit],
    ['the net', at + 2, credit - debit],
    ['what is payable', at + 3, payable],
    ['the sum', at + 4, credit - debit + payable],
  ]
}

/** Lines that one behind them sums up: all are of the same outlet, and of the same date where they have one. */
class LineGroup {
  readonly #file: string
  #of: string | undefined

  constructor(file: string) {
    this.#file = file
  }

  add({ number }: TextLine, ...of: readonly (string | undefined)[]): void {
    this.#of ??= of.join()
    if (this.#of !== of.join())
      throw lineProblem(this.#file, number, 'is of another outlet or date than the line before it')
  }

  end({ number }: TextLine, ...of: readonly (string | undefined)[]): void {
    if (this.#of !== of.join())
      throw lineProblem(this.#file, number, 'is not of the outlet and date of the lines before it')
    this.#of = undefined
  }

  /** @param missing what should have come */
  none({ number }: TextLine, missing: string): void {
    if (this.#of !== undefined) throw lineProblem(this.#file, number, `comes before ${missing}`)
  }
}

interface Parts {
  head(line: TextLine): void
  line(line: TextLine): void
  totals(line: TextLine): readonly Total[]
}

/** A header of the kind first, a trailer last, and in it the number of all lines. */
async function readTrailed(
  chunks: AsyncIterable<Uint8Array>,
  file: string,
  kind: 'SUB' | 'OUT',
  parts: Parts,
): Promise<{ lines: number }> {
  let lines = 0
  let ended = false
  for await (const line of readLines(chunks, file)) {
    lines++
    if (ended) throw lineProblem(file, line.number, 'stands behind the trailer')
    if (lines === 1) {
      if (line.kind !== 'H' || line.cells[1] !== kind || line.cells[2] !== '1') {
        throw lineProblem(file, line.number, `is no header of a file ${kind}, format 1`)
      }
      parts.head(line)
    } else if (line.kind === 'T') {
      compare(file, line, [['lines', 1, BigInt(lines)], ...parts.totals(line)])
      ended = true
    } else {
      parts.line(line)
    }
  }
  if (!ended) throw lineProblem(file, lines + 1, 'is missing: the file ends without its trailer (T)')
  return { lines }
}

function compare(file: string, line: TextLine, totals: readonly Total[]): void {
  for (const [name, at, found] of totals) {
    const said = wholeCell(file, line, at, name)
    if (said !== found)
      throw lineProblem(file, line.number, `says ${said} for ${name}, and what was read gives ${found}`)
  }
}
