import { type CivilDate, formatDate } from '../../calendar.ts'
import { transferKinds } from '../../ledger/posting-rules.ts'
import { addBankPostings, PostingSums } from '../../store/clearing/bank-postings.ts'
import {
  type AccountBank,
  addEntries,
  bankOfAccount,
  closeReport,
  type EntryRow,
  findReport,
  lastStatement,
  ledgerAtBank,
  linkAnnouncements,
  openReport,
  type ReportKind,
} from '../../store/clearing/bank-statements.ts'
import type { Client } from '../../store/connection.ts'
import type { EntryEvent, ReportEndEvent, ReportEvent } from '../iso20022/bank-events.ts'
import { piastersOf } from '../iso20022/read-context.ts'
import { type RefusalCause, RefusedFile } from '../iso20022/refusal.ts'
import { type Classified, classifyBatch, classifyForInstruction, classifyOther, type EntryRule } from './classify.ts'
import { InstructionBook } from './instruction-book.ts'

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
const CURRENCY = 'EGP'

/** An entry, or a payment of one that the bank tells one by one. */
interface Item {
  readonly entry: number
  readonly piasters: bigint
  readonly status: EntryEvent['status']
  readonly reversal: boolean
  readonly bookingDate: CivilDate
  readonly valueDate: CivilDate
  readonly endToEndId: string | undefined
  readonly reference: string | undefined
  readonly entryReference: string | undefined
  readonly messageId: string | undefined
  readonly paymentId: string | undefined
  readonly batchCount: number | undefined
  readonly code: string | undefined
  readonly returnReason: string | undefined
  readonly counterpartyAccount: string | undefined
  readonly text: string | undefined
}

export interface ReportTakerOptions {
  readonly client: Client
  /** Name of the file, for refusals. */
  readonly file: string
  readonly bankFile: number
  readonly kind: ReportKind
  readonly rules: (bank: number) => Promise<readonly EntryRule[]>
  /** Of the file, for a report without any date. */
  readonly fallbackDate: CivilDate
  /** Told whose account it is, before anything else can refuse it. */
  readonly onBank?: (bank: number) => void
}

/**
 * Takes one report, in the transaction that takes its file: holds it against the one before, stores its entries with what each
 * is, and works out what a statement posts.
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

  /** @throws RefusedFile when it is not of our account, came before, leaves a gap, or does not go on where the last one ended */
  static async begin(head: ReportEvent, options: ReportTakerOptions): Promise<ReportTaker> {
    const { client, bankFile, kind, fallbackDate } = options
    const bank = await bankOfAccount(client, head.account)
    if (bank === undefined) refuse(options, head, 'account', `the account ${masked(head.account)} is none of ours`)
    options.onBank?.(bank.number)
    if (head.currency !== '' && head.currency !== CURRENCY) {
      refuse(options, head, 'account', `the account is in ${head.currency}; ours are in ${CURRENCY}`)
    }
    const key = { kind, bank: bank.number, account: head.account, id: head.id, page: head.page }
    const before = await findReport(client, key)
    if (before !== undefined) refuse(options, head, 'duplicate', `${kind} ${head.id} came before, in ${before.file}`)
    if (kind === 'statement') {
      if (head.opening === undefined || head.closing === undefined) {
        refuse(
          options,
          head,
          'balance',
          `statement ${head.id} has no opening or no closing balance; it cannot be booked`,
        )
      }
      await checkOrder(options, head, bank)
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
      refuse(this.#options, { ...this.#head, line: entry.line }, 'account', `an entry in ${entry.amount.currency}`)
    }
    const date = entry.bookingDate ?? entry.valueDate ?? this.#date
    const base: Item = {
      entry: entry.number,
      piasters: piastersOf(entry.amount.value),
      status: entry.status,
      reversal: entry.reversal,
      bookingDate: date,
      valueDate: entry.valueDate ?? date,
      endToEndId: undefined,
      reference: entry.reference,
      entryReference: entry.entryReference,
      messageId: entry.batch?.messageId,
      paymentId: entry.batch?.paymentId,
      batchCount: entry.transactions.length > 1 ? undefined : entry.batch?.transactions,
      code: entry.code,
      returnReason: undefined,
      counterpartyAccount: undefined,
      text: entry.text,
    }
    if (this.#head.closing === undefined && date > this.#date) this.#date = date
    if (entry.transactions.length === 0) this.#waiting.push(base)
    for (const transaction of entry.transactions) {
      const { value, messageId, paymentId, endToEndId, returnReason, counterpartyAccount } = transaction
      const isOne = entry.transactions.length === 1
      this.#waiting.push({
        ...base,
        // The amount of an entry counts; that of its one payment may be before charges.
        piasters: isOne || value === undefined ? base.piasters : piastersOf(value),
        endToEndId,
        returnReason,
        counterpartyAccount,
        reference: transaction.reference ?? base.reference,
        messageId: messageId ?? base.messageId,
        paymentId: paymentId ?? base.paymentId,
        code: transaction.code ?? base.code,
        text:
          [transaction.text, entry.text]
            .filter((text) => text !== undefined)
            .join(' ')
            .slice(0, 500) || undefined,
      })
    }
    while (this.#waiting.length >= CHUNK) await this.#flush(CHUNK)
  }

  async end(end: ReportEndEvent): Promise<TakenReport> {
    const { client, kind } = this.#options
    while (this.#waiting.length > 0) await this.#flush(CHUNK)
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

  async #flush(count: number): Promise<void> {
    const { client, kind } = this.#options
    const items = this.#waiting.splice(0, count)
    const isStatement = kind === 'statement'
    const book = isStatement ? await InstructionBook.of(client, this.#bank.number, items) : undefined
    const rows = items.map((item) => {
      const number = ++this.#rows
      if (book === undefined || item.status !== 'BOOK') return rowOf(item, number, 'announced')
      return this.#booked(item, number, book)
    })
    await addEntries(client, this.#id, rows)
  }

  #booked(item: Item, number: number, book: InstructionBook): EntryRow {
    const bank = this.#bank.number
    const entry = { ...item, amountPiasters: item.piasters }
    const found = book.find(item)
    const batch = found === undefined ? book.takeBatch(item) : undefined
    let classified: Classified
    if (found !== undefined) {
      const before = book.beforeOf(found.instruction)
      classified = classifyForInstruction(bank, entry, found.instruction, before, found.rule)
      book.note(found.instruction, item.piasters, classified.rule === 'returned')
    } else if (batch !== undefined) classified = classifyBatch(bank, entry, batch)
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

function rowOf(item: Item, number: number, state: string): EntryRow {
  return {
    number,
    entry: item.entry,
    amount_piasters: String(item.piasters),
    status: item.status,
    reversal: item.reversal,
    booking_date: formatDate(item.bookingDate),
    value_date: formatDate(item.valueDate),
    end_to_end_id: item.endToEndId,
    reference: item.reference,
    entry_reference: item.entryReference,
    message_id: item.messageId,
    payment_id: item.paymentId,
    batch_count: item.batchCount,
    code: item.code,
    return_reason: item.returnReason?.slice(0, 35),
    counterparty_account: item.counterpartyAccount,
    text: item.text,
    state,
    suspense_piasters: '0',
  }
}

/** Holds a statement against the last one of the account: its number, its page, and the balance that it goes on from. */
async function checkOrder(options: ReportTakerOptions, head: ReportEvent, bank: AccountBank): Promise<void> {
  const { client } = options
  const opening = piastersOf(head.opening?.amount.value ?? 0n)
  const last = await lastStatement(client, bank.number, head.account)
  if (last === undefined) {
    const ledger = await ledgerAtBank(client, bank.number)
    if (head.page !== 1) refuse(options, head, 'gap', `page ${head.page} of statement ${head.id} came before page 1`)
    if (opening === ledger) return
    const words = `the first statement of the account opens with ${plain(opening)}, the ledger has ${plain(ledger)} there`
    refuse(options, head, 'balance', `${words}; give the statements from the beginning of the account`)
  }
  const isNextPage = !last.lastPage
  if (isNextPage && (head.id !== last.statementId || head.page !== last.page + 1)) {
    refuse(options, head, 'gap', `page ${last.page + 1} of statement ${last.statementId} is missing`)
  }
  if (!isNextPage && head.page !== 1)
    refuse(options, head, 'gap', `pages before ${head.page} of statement ${head.id} are missing`)
  if (!isNextPage && head.sequence !== undefined && last.sequence !== undefined) {
    const year = Math.floor((head.closing?.date ?? last.date) / 10_000)
    const beginsYear = head.sequence === 1 && year > Math.floor(last.date / 10_000)
    if (head.sequence <= last.sequence && !beginsYear) {
      refuse(
        options,
        head,
        'duplicate',
        `statement ${head.id} is number ${head.sequence}; number ${last.sequence} was taken already`,
      )
    }
    if (head.sequence !== last.sequence + 1 && !beginsYear) {
      refuse(
        options,
        head,
        'gap',
        `statement ${head.id} is number ${head.sequence}; number ${last.sequence + 1} is missing`,
      )
    }
  }
  if (opening === last.closingPiasters) return
  const words = `statement ${head.id} opens with ${plain(opening)}, the one before (${last.statementId}) closed with ${plain(last.closingPiasters)}`
  refuse(options, head, 'balance', words)
}

function refuse(
  options: ReportTakerOptions,
  head: Pick<ReportEvent, 'line'>,
  cause: RefusalCause,
  reason: string,
): never {
  throw new RefusedFile(options.file, cause, reason, { line: head.line, column: 1, path: 'the statement' })
}

/** Enough of an account to tell it by. */
function masked(account: string): string {
  return account.length <= 8 ? account : `${account.slice(0, 4)}...${account.slice(-4)}`
}

function plain(piasters: bigint): string {
  const unsigned = piasters < 0n ? -piasters : piasters
  return `${piasters < 0n ? '-' : ''}${unsigned / 100n}.${String(unsigned % 100n).padStart(2, '0')} EGP`
}
