import type { ProgrammeCatalogue } from '../../benefit/programme-book.ts'
import { type CivilDate, formatDate } from '../../calendar.ts'
import { assert } from '../../errors.ts'
import type { FileContent } from '../../store/clearing/files.ts'
import type { ClearingOutlet, SubsidyItem } from '../../store/clearing/items.ts'
import type { FileSink } from '../atomic-file.ts'
import { type Payable, payableOf } from '../settlement/tariff.ts'
import { csvLine, HASH_MODULUS } from './lines.ts'

/** Version of the line formats of subsidy files and statements. */
export const LINE_FORMAT = 1

/** What all that is written for a settlement bank is written from. */
export interface BankFileSource {
  readonly name: string
  readonly centre: string
  /** Code of the settlement bank, or `NOBANK`. */
  readonly bank: string
  readonly businessDate: CivilDate
  readonly cycle: number
  readonly sequence: number
  readonly catalogue: Pick<ProgrammeCatalogue, 'on' | 'versions'>
  /** Of the bank, by number. */
  readonly outlets: ReadonlyMap<number, ClearingOutlet>
}

/** What a subsidy file is written from. */
export interface SubsidyFileSource extends BankFileSource {
  readonly programme: number
  readonly items: AsyncIterable<readonly SubsidyItem[]>
  readonly onItems?: (done: number) => void
}

/** What an outlet dispensed of a programme on an entitlement date, while its items come. */
interface Subtotal {
  readonly outlet: ClearingOutlet
  readonly entitlementDate: CivilDate
  items: number
  dispensed: bigint
  returned: bigint
  coPayment: bigint
}

/**
 * Writes a subsidy file: a header, the items of each outlet and entitlement date with what is payable for them behind
 * them, a trailer with all totals. What is payable is reckoned once for all that an outlet redeemed of the programme on
 * an entitlement date, as settlement does.
 * @returns its totals; the gross amount is what is payable, without regard to its direction
 */
export async function writeSubsidyFile(
  sink: FileSink,
  source: SubsidyFileSource,
): Promise<Omit<FileContent, 'bytes' | 'sha256'>> {
  const writer = new SubsidyWriter(sink, source)
  await writer.begin()
  for await (const some of source.items) {
    for (const item of some) await writer.add(item)
    source.onItems?.(writer.count)
  }
  return await writer.end()
}

class SubsidyWriter {
  readonly #sink: FileSink
  readonly #source: SubsidyFileSource
  #open: Subtotal | undefined
  #lines = 0
  #subtotals = 0
  #outlets = 0
  #lastOutlet = 0
  #dispensed = 0n
  #returned = 0n
  #coPayment = 0n
  #holdersPaid = 0n
  #payable = 0n
  #gross = 0n
  #hash = 0n
  count = 0

  constructor(sink: FileSink, source: SubsidyFileSource) {
    this.#sink = sink
    this.#source = source
  }

  async begin(): Promise<void> {
    const { name, centre, bank, programme, businessDate, cycle, sequence } = this.#source
    const rules = this.#programme(businessDate)
    const head = ['H', 'SUB', LINE_FORMAT, name, centre, bank, programme, rules?.code, rules?.unit]
    await this.#line([...head, formatDate(businessDate), cycle, sequence])
  }

  /** Code and unit of the programme. */
  #programme(date: CivilDate): Payable | undefined {
    const outlet = { category: 'shop', fuel: undefined } as const
    return payableOf(this.#source.catalogue, outlet, {
      programme: this.#source.programme,
      entitlementDate: date,
      quantity: 0n,
    })
  }

  async add(item: SubsidyItem): Promise<void> {
    const open = this.#open
    if (open === undefined || open.outlet.id !== item.outletId || open.entitlementDate !== item.entitlementDate) {
      await this.#close()
      const outlet = this.#source.outlets.get(item.outletId)
      assert(outlet !== undefined, 'an outlet of an item was kept with it')
      const { entitlementDate } = item
      this.#open = { outlet, entitlementDate, items: 0, dispensed: 0n, returned: 0n, coPayment: 0n }
    }
    const subtotal = this.#open as Subtotal
    const isBack = item.code === 'RT'
    subtotal.items++
    if (isBack) subtotal.returned += BigInt(item.quantity)
    else subtotal.dispensed += BigInt(item.quantity)
    subtotal.coPayment += BigInt(isBack ? -item.coPaymentPiasters : item.coPaymentPiasters)
    this.#hash = (this.#hash + BigInt(item.authorizationId)) % HASH_MODULUS
    this.count++
    const { number, authorizationId, code, quantity, coPaymentPiasters } = item
    const { acceptor } = subtotal.outlet
    const date = formatDate(item.entitlementDate)
    this.#lines++
    const text = csvLine(['I', number, authorizationId, code, acceptor, date, quantity, coPaymentPiasters])
    const wait = this.#sink.text(text)
    if (wait !== undefined) await wait
  }

  async #close(): Promise<void> {
    const open = this.#open
    if (open === undefined) return
    const { outlet, entitlementDate, items, dispensed, returned, coPayment } = open
    const quantity = dispensed - returned
    const payable = payableOf(this.#source.catalogue, outlet, {
      programme: this.#source.programme,
      entitlementDate,
      quantity,
    })
    const piasters = payable?.payablePiasters ?? 0n
    const holdersPaid = payable?.coPaymentPiasters ?? 0n
    const { step, version } = payable ?? {}
    const tariff = [version, step && formatDate(step.from), step?.piastersPerUnit, step?.permilleOfValue]
    const place = [outlet.acceptor, outlet.id, outlet.account, formatDate(entitlementDate)]
    await this.#line(['S', ...place, ...tariff, items, dispensed, returned, quantity, coPayment, holdersPaid, piasters])
    this.#subtotals++
    if (outlet.id !== this.#lastOutlet) this.#outlets++
    this.#lastOutlet = outlet.id
    this.#dispensed += dispensed
    this.#returned += returned
    this.#coPayment += coPayment
    this.#holdersPaid += holdersPaid
    this.#payable += piasters
    this.#gross += piasters < 0n ? -piasters : piasters
    this.#open = undefined
  }

  async end(): Promise<Omit<FileContent, 'bytes' | 'sha256'>> {
    await this.#close()
    const [dispensed, returned] = [this.#dispensed, this.#returned]
    const quantities = [dispensed, returned, dispensed - returned]
    const amounts = [this.#coPayment, this.#holdersPaid, this.#payable]
    const counts = [this.#lines + 1, this.count, this.#subtotals, this.#outlets]
    await this.#line(['T', ...counts, ...quantities, ...amounts, this.#hash])
    return {
      records: this.#lines,
      items: this.count,
      grossPiasters: this.#gross,
      totals: {
        programme: this.#source.programme,
        outlets: this.#outlets,
        dispensed: String(dispensed),
        returned: String(returned),
        quantity: String(dispensed - returned),
        coPaymentPiasters: String(this.#coPayment),
        holdersPaidPiasters: String(this.#holdersPaid),
        payablePiasters: String(this.#payable),
      },
    }
  }

  async #line(cells: Parameters<typeof csvLine>[0]): Promise<void> {
    this.#lines++
    await this.#sink.text(csvLine(cells))
  }
}
