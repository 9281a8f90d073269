import { type CivilDate, formatDate } from '../../calendar.ts'
import { transferKinds } from '../../ledger/posting-rules.ts'
import { addBankPostings, PostingSums } from '../../store/clearing/bank-postings.ts'
import {
  type AccountBank,
  accountText,
  addEntries,
  bankOfAccount,
  closeReport,
  type EntryRow,
  findReport,
  linkAnnouncements,
  openReport,
  type ReportKind,
} from '../../store/clearing/bank-statements.ts'
import type { Client } from '../../store/connection.ts'
import type { EntryEvent, ReportEndEvent, ReportEvent } from '../iso20022/bank-events.ts'
import { PIASTERS_MAX, piastersOf } from '../iso20022/read-context.ts'
import { RefusedFile } from '../iso20022/refusal.ts'
import {
  type Classified,
  classifyBatch,
  classifyCharges,
  classifyForInstruction,
  classifyOther,
  isEarlyReturn,
} from './classify.ts'
import { type Item, itemsOf, rowOf } from './entry-items.ts'
import type { BookedEntry, EntryRule } from './entry-rules.ts'
import { InstructionBook } from './instruction-book.ts'
import { checkOrder, type Refuse } from './statement-order.ts'

/** What a report came to. */
export interface TakenReport {
  readonly id: number
  readonly kind: ReportKind
  readonly bank: AccountBank
  readonly statementId: string
  readonly date: CivilDate
  readonly entries: number
  readonly notBooked: number
  readonly matched: number
  readonly known: number
  readonly suspense: number
  readonly grossPiasters: bigint
}

/** Entries that are looked up and stored together: memory is bounded by it. */
const CHUNK = 1_000
/** Of a statement of any sensible order: those above it are looked at as they come. */
const EARLY_MAX = 10_000
const CURRENCY = 'EGP'
/** Hundred-thousandths of the largest sum that postings can have. */
const SUM_MAX = PIASTERS_MAX * 1_000n

export interface ReportTakerOptions {
  readonly client: Client
  /** Name of the file, for refusals. */
  readonly file: string
  readonly bankFile: number
  readonly rules: (bank: number) => Promise<readonly EntryRule[]>
  /** Of the file, for a report without any date. */
  readonly fallbackDate: CivilDate
  /** Told whose account it is, before anything else can refuse it; it may. */
  readonly onBank: (bank: AccountBank, refuse: Refuse) => void
}

/**
 * Takes one report, in the transaction that takes its file: holds it against the one before, stores its entries with
 * what each is, and works out what a statement posts.
 */
export class ReportTaker {
  readonly #options: ReportTakerOptions
  readonly #head: ReportEvent
  readonly #bank: AccountBank
  readonly #id: number
  readonly #rules: readonly EntryRule[]
  readonly #postings = new PostingSums()
  readonly #counts = { matched: 0, known: 0, suspense: 0 }
  #waiting: Item[] = []
  /** Payments that come back, of which the payment itself has not been told yet. */
  #early: { readonly item: Item; readonly number: number }[] = []
  #rows = 0
  #date: CivilDate
  #gross = 0n

  private constructor(
    options: ReportTakerOptions,
    head: ReportEvent,
    { bank, id, rules, date }: { bank: AccountBank; id: number; rules: readonly EntryRule[]; date: CivilDate },
  ) {
    this.#options = options
    this.#head = head
    this.#bank = bank
    this.#id = id
    this.#rules = rules
    this.#date = date
  }

  /**
   * @throws RefusedFile when it is not of our account, came before, leaves a gap, or does not go on where the last one
   * ended
   */
  static async begin(head: ReportEvent, options: ReportTakerOptions): Promise<ReportTaker> {
    const { client, bankFile, fallbackDate } = options
    const { kind } = head
    const refuse = refusing(options, head)
    // As master data have it: the same account written otherwise is the same.
    const account = accountText(head.account)
    const bank = await bankOfAccount(client, account)
    if (bank === undefined) return refuse('account', `the account ${masked(account)} is none of ours`)
    options.onBank(bank, refuse)
    if (head.currency !== '' && head.currency !== CURRENCY) {
      refuse('account', `the account is in ${head.currency}; ours are in ${CURRENCY}`)
    }
    const key = { kind, bank: bank.number, account, id: head.id, page: head.page }
    const before = await findReport(client, key)
    if (before !== undefined) refuse('duplicate', `${kind} ${head.id} came before, in ${before.file}`)
    if (kind === 'statement') {
      if (head.opening === undefined || head.closing === undefined) {
        refuse('balance', `statement ${head.id} has no opening or no closing balance; it cannot be booked`)
      }
      await checkOrder(client, head, { bank, account }, refuse)
    }
    const date = head.closing?.date ?? head.opening?.date ?? fallbackDate
    const id = await openReport(client, {
      ...head,
      ...key,
      bankFile,
      date,
      openingPiasters: head.opening === undefined ? undefined : piastersOf(head.opening.amount.value),
      closingPiasters: head.closing === undefined ? undefined : piastersOf(head.closing.amount.value),
    })
    return new ReportTaker(options, head, { bank, id, rules: await options.rules(bank.number), date })
  }

  async entry(entry: EntryEvent): Promise<void> {
    if (entry.amount.currency !== CURRENCY) {
      refusing(this.#options, entry)('account', `an entry in ${entry.amount.currency}`)
    }
    const items = itemsOf(entry, this.#date)
    const date = items[0]?.bookingDate ?? this.#date
    if (this.#head.closing === undefined && date > this.#date) this.#date = date
    for (const item of items) this.#waiting.push(item)
    while (this.#waiting.length >= CHUNK) await this.#flush()
  }

  async end(end: ReportEndEvent): Promise<TakenReport> {
    const { client } = this.#options
    const { kind } = this.#head
    if (end.credits > SUM_MAX || end.debits > SUM_MAX) {
      refusing(this.#options, this.#head)('format', 'its entries come to more than can be booked')
    }
    while (this.#waiting.length > 0) await this.#flush()
    while (this.#early.length > 0) await this.#bookEarly()
    const isStatement = kind === 'statement'
    const sums = { creditPiasters: piastersOf(end.credits), debitPiasters: piastersOf(end.debits) }
    const { entries, notBooked } = end
    const state = isStatement ? 'stored' : 'announced'
    await closeReport(client, this.#id, { ...sums, entries, notBooked, date: this.#date, state })
    if (isStatement) {
      await addBankPostings(client, this.#id, this.#postings.list())
      await linkAnnouncements(client, this.#id)
    }
    return {
      id: this.#id,
      kind,
      bank: this.#bank,
      statementId: this.#head.id,
      date: this.#date,
      entries,
      notBooked,
      ...this.#counts,
      grossPiasters: this.#gross,
    }
  }

  async #flush(): Promise<void> {
    const { client } = this.#options
    const items = this.#waiting.splice(0, CHUNK)
    const isStatement = this.#head.kind === 'statement'
    const book = isStatement ? await InstructionBook.of(client, this.#bank.number, items) : undefined
    const rows = items.flatMap((item) => {
      const number = ++this.#rows
      if (book === undefined || item.status !== 'BOOK') return [rowOf(item, number, 'announced')]
      const found = item.isCharge ? undefined : book.find(item)
      const isEarly =
        found !== undefined && isEarlyReturn(entryOf(item), found.instruction, book.beforeOf(found.instruction))
      if (isEarly && this.#early.length < EARLY_MAX) {
        this.#early.push({ item, number })
        return []
      }
      return [this.#booked(item, number, book)]
    })
    await addEntries(client, this.#id, rows)
  }

  async #bookEarly(): Promise<void> {
    const { client } = this.#options
    const early = this.#early.splice(0, CHUNK)
    const items = early.map(({ item }) => item)
    const book = await InstructionBook.of(client, this.#bank.number, items)
    const rows = early.map(({ item, number }) => this.#booked(item, number, book))
    await addEntries(client, this.#id, rows)
  }

  #booked(item: Item, number: number, book: InstructionBook): EntryRow {
    const bank = this.#bank.number
    const entry = entryOf(item)
    const found = item.isCharge ? undefined : book.find(item)
    const batch = found === undefined && !item.isCharge ? book.batchOf(item) : undefined
    let classified: Classified
    if (found !== undefined) {
      const before = book.beforeOf(found.instruction)
      classified = classifyForInstruction(bank, entry, found.instruction, before, found.rule)
      book.note(found.instruction, item.piasters, classified.rule === 'returned')
    } else if (batch !== undefined) {
      classified = classifyBatch(bank, entry, batch)
      book.noteBatch(batch, item.piasters)
    } else if (item.isCharge) classified = classifyCharges(bank, item.piasters)
    else classified = classifyOther(bank, entry, this.#rules)
    this.#gross += item.piasters < 0n ? -item.piasters : item.piasters
    this.#counts[classified.state]++
    for (const posting of classified.postings) this.#postings.add(posting)
    const isLate = found !== undefined && formatDate(item.valueDate) > found.valueDate
    return {
      ...rowOf(item, number, classified.state),
      // Reconciliation looks by this id; a bank that names the payment otherwise does not say it.
      end_to_end_id: item.endToEndId ?? found?.instruction.endToEndId,
      message_id: batch?.messageId ?? item.messageId,
      rule: classified.rule,
      matched_instruction: found?.instruction.id,
      note: classified.note ?? (isLate ? 'late-value' : undefined),
      kind: classified.kind === undefined ? undefined : transferKinds[classified.kind],
      counter_account: classified.counterAccount,
      suspense_piasters: String(classified.suspensePiasters),
      suspense_account: classified.suspenseAccount,
    }
  }
}

const entryOf = (item: Item): BookedEntry => ({ ...item, amountPiasters: item.piasters })

/** Refuses a report, or an entry of it. */
function refusing({ file }: Pick<ReportTakerOptions, 'file'>, { line }: { readonly line: number }): Refuse {
  return (cause, reason) => {
    throw new RefusedFile(file, cause, reason, { line, column: 1, path: 'the statement' })
  }
}

/** Enough of an account to tell it by. */
function masked(account: string): string {
  return account.length <= 8 ? account : `${account.slice(0, 4)}...${account.slice(-4)}`
}
