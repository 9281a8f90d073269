import type { BankEvent, EntryEvent, ReadBalance, ReadBatch, ReportEvent, ReportKind } from './bank-events.ts'
import { EntryDetails } from './camt-details.ts'
import { requireKnown } from './camt-elements.ts'
import { agentOf, codeOf, firstOf, joined, plain, signed } from './camt-values.ts'
import type { ReadContext } from './read-context.ts'
import { all, at, type Position, textAt, type XmlNode } from './xml-reader.ts'

/** What a report says of itself, as far as it is read. */
const HEAD = new Set([
  'Id',
  'StmtPgntn',
  'RptPgntn',
  'NtfctnPgntn',
  'ElctrncSeqNb',
  'LglSeqNb',
  'CreDtTm',
  'FrToDt',
  'Acct',
  'Bal',
  'TxsSummry',
])
/** Of them: a balance for each day to come is the most that banks tell. */
const HEAD_MAX = 200
const ID_MAX = 35
const ACCOUNT_MAX = 34
const TEXT_MAX = 500
/** Digits of a page's number, of a statement's, and of a count. */
const PAGE_DIGITS = 5
const SEQUENCE_DIGITS = 15
const COUNT_DIGITS = 9
const OPENING = ['OPBD', 'PRCD', 'ITBD']
const CLOSING = ['CLBD', 'ITBD']
/** Of a statement, or of its last page: a balance in between is not how it closed. */
const CLOSED = ['CLBD']
const STATUSES = new Set(['BOOK', 'PDNG', 'INFO', 'FUTR'])

/** Puts one statement, notification or intraday report together out of its records. */
export class ReportReader {
  readonly #context: ReadContext
  readonly #report: ReportKind
  readonly #path: string
  readonly #parts: XmlNode[] = []
  readonly #details: EntryDetails
  #head: ReportEvent | undefined
  #statedEntries: number | undefined
  #entries = 0
  #booked = 0
  #credits = 0n
  #debits = 0n

  /** @param path elements down to that of the report, as `Document/BkToCstmrStmt/Stmt` */
  constructor(context: ReadContext, report: ReportKind, path: string) {
    this.#context = context
    this.#details = new EntryDetails(context)
    this.#report = report
    this.#path = path
  }

  /** What the report says of itself. */
  *part(node: XmlNode): Generator<BankEvent> {
    if (node.name === 'Ntry') {
      yield* this.#begin(node)
      yield this.#entry(node)
      return
    }
    if (this.#head !== undefined && node.name === 'Bal') {
      this.#context.refuse(this.#context.placeOf(node), 'a balance stands behind the entries')
    }
    if (this.#head !== undefined || !HEAD.has(node.name)) return
    if (this.#parts.length >= HEAD_MAX) {
      this.#context.refuse(this.#context.placeOf(node), `more than ${HEAD_MAX} elements before the entries`)
    }
    this.#parts.push(node)
  }

  /** A payment of the entry at hand. */
  transaction(node: XmlNode): void {
    this.#details.add(node)
  }

  *end(place: Position & { readonly name: string }): Generator<BankEvent> {
    yield* this.#begin(place)
    const head = this.#head
    const net = this.#credits - this.#debits
    if (head?.opening !== undefined && head.closing !== undefined) this.#addUp(head, net, place)
    if (this.#statedEntries !== undefined && this.#statedEntries !== this.#entries) {
      const words = `its summary says ${this.#statedEntries} entries, and there are ${this.#entries}`
      this.#context.forgive('counts', this.#context.placeOf(place), words)
    }
    yield {
      type: 'report-end',
      entries: this.#booked,
      notBooked: this.#entries - this.#booked,
      credits: this.#credits,
      debits: this.#debits,
    }
  }

  #addUp(head: ReportEvent, net: bigint, place: Position & { readonly name: string }): void {
    const opening = head.opening?.amount.value ?? 0n
    const closing = head.closing?.amount.value ?? 0n
    // An intraday report has balances of its moment, between which its entries need not lie.
    if (this.#report !== 'statement' || opening + net === closing) return
    const words = [opening, net, opening + net, closing].map(plain)
    this.#context.refuse(
      this.#context.placeOf(place),
      `statement ${head.id} does not add up: opening ${words[0]} and entries of ${words[1]} make ${words[2]}, its closing balance is ${words[3]}`,
      'balance',
    )
  }

  *#begin(place: Position): Generator<BankEvent> {
    if (this.#head !== undefined) return
    const before = this.#context.path
    this.#context.path = this.#path
    const name = this.#path.slice(this.#path.lastIndexOf('/') + 1)
    this.#head = this.#headOf({ ...place, name, text: '', currency: undefined, children: this.#parts })
    this.#context.path = before
    yield this.#head
  }

  #headOf(node: XmlNode): ReportEvent {
    const context: ReadContext = this.#context
    const pages = at(node, 'StmtPgntn') ?? at(node, 'RptPgntn') ?? at(node, 'NtfctnPgntn')
    const account = context.only(node, 'Acct')
    const number =
      account === undefined
        ? undefined
        : (context.text(account, ACCOUNT_MAX, 'Id', 'IBAN') ?? context.text(account, ACCOUNT_MAX, 'Id', 'Othr', 'Id'))
    if (account === undefined || number === undefined) context.refuse(context.placeOf(node), 'Acct/Id is missing')
    const page = pages === undefined ? 1 : (context.number(pages, PAGE_DIGITS, 'PgNb') ?? 1)
    if (page === 0) context.refuse(context.placeOf(node), 'a page 0; they begin with 1')
    const lastPage = pages === undefined || context.flag(pages, 'LastPgInd') !== false
    this.#statedEntries = context.number(node, SEQUENCE_DIGITS, 'TxsSummry', 'TtlNtries', 'NbOfNtries')
    const balances = all(node, 'Bal').map((balance) => this.#balanceOf(balance))
    const opening = firstOf(balances, OPENING, 0)
    const isClosed = this.#report === 'statement' && lastPage
    const closing = firstOf(balances, isClosed ? CLOSED : CLOSING, opening?.code === 'ITBD' ? 1 : 0)
    const currency = textAt(account, 'Ccy') ?? opening?.amount.currency ?? closing?.amount.currency ?? ''
    if (this.#report === 'statement' && (opening === undefined || closing === undefined)) {
      const which = opening === undefined ? 'opening' : 'closing'
      context.forgive('no-balance', context.placeOf(account), `the statement has no ${which} balance`)
    }
    for (const one of [opening, closing]) {
      if (one !== undefined && one.amount.currency !== currency) {
        context.refuse(
          context.placeOf(account),
          `the account is in ${currency} and its balance in ${one.amount.currency}`,
        )
      }
    }
    return {
      type: 'report',
      kind: this.#report,
      line: node.line,
      id: context.required(node, ID_MAX, 'Id'),
      sequence:
        context.number(node, SEQUENCE_DIGITS, 'ElctrncSeqNb') ?? context.number(node, SEQUENCE_DIGITS, 'LglSeqNb'),
      page,
      lastPage,
      createdMs: context.instant(node, 'CreDtTm'),
      fromMs: context.instant(node, 'FrToDt', 'FrDtTm'),
      toMs: context.instant(node, 'FrToDt', 'ToDtTm'),
      account: number,
      currency,
      servicer: agentOf(at(account, 'Svcr')),
      opening,
      closing,
    }
  }

  #balanceOf(node: XmlNode): ReadBalance {
    const context: ReadContext = this.#context
    const amount = context.only(node, 'Amt')
    context.only(node, 'CdtDbtInd')
    const dated = at(node, 'Dt')
    const date = context.date(dated)
    if (amount === undefined) context.refuse(context.placeOf(node), 'a balance without amount')
    if (date === undefined) context.refuse(context.placeOf(node), 'a balance without date')
    const read = context.amount(amount)
    const code = textAt(node, 'Tp', 'CdOrPrtry', 'Cd') ?? textAt(node, 'Tp', 'CdOrPrtry', 'Prtry') ?? ''
    return { amount: signed(read, context.isCredit(node, 'CdtDbtInd')), date, code }
  }

  #entry(node: XmlNode): EntryEvent {
    const context: ReadContext = this.#context
    requireKnown(context, node)
    for (const details of all(node, 'NtryDtls')) requireKnown(context, details)
    const amountNode = context.only(node, 'Amt')
    context.only(node, 'CdtDbtInd')
    context.only(node, 'Sts')
    if (amountNode === undefined) context.refuse(context.placeOf(node), 'an entry without amount')
    const credit = context.isCredit(node, 'CdtDbtInd')
    const amount = signed(context.amount(amountNode), credit)
    const status = textAt(node, 'Sts', 'Cd') ?? textAt(node, 'Sts') ?? ''
    if (!STATUSES.has(status)) {
      context.refuse(
        context.placeOf(node),
        `the status "${status.slice(0, 40)}" of an entry is none of BOOK, PDNG, INFO, FUTR`,
      )
    }
    const code = codeOf(at(node, 'BkTxCd'))
    if (code === undefined) context.forgive('no-code', context.placeOf(node), 'an entry without BkTxCd')
    const batch = batchOf(context, node)
    const entry: EntryEvent = {
      type: 'entry',
      line: node.line,
      number: ++this.#entries,
      amount,
      reversal: context.flag(node, 'RvslInd') ?? false,
      status: status as EntryEvent['status'],
      bookingDate: context.date(at(node, 'BookgDt')),
      valueDate: context.date(at(node, 'ValDt')),
      reference: context.text(node, ID_MAX, 'AcctSvcrRef'),
      entryReference: context.text(node, ID_MAX, 'NtryRef'),
      code,
      text: joined([context.text(node, TEXT_MAX, 'AddtlNtryInf') ?? '']),
      batch,
      ...this.#details.take(node, amount, batch),
    }
    this.#count(entry, node)
    return entry
  }

  #count({ status, amount }: EntryEvent, node: XmlNode): void {
    if (status !== 'BOOK') return
    this.#booked++
    if (amount.value >= 0n) this.#credits += amount.value
    else this.#debits -= amount.value
    const currency = this.#head?.currency
    if (this.#report === 'statement' && currency !== '' && amount.currency !== currency) {
      this.#context.refuse(
        this.#context.placeOf(node),
        `an entry in ${amount.currency} on an account in ${currency}`,
        'balance',
      )
    }
  }
}

function batchOf(context: ReadContext, node: XmlNode): ReadBatch | undefined {
  const batch = at(node, 'NtryDtls', 'Btch')
  if (batch === undefined) return undefined
  return {
    messageId: context.text(batch, ID_MAX, 'MsgId'),
    paymentId: context.text(batch, ID_MAX, 'PmtInfId'),
    transactions: context.number(batch, COUNT_DIGITS, 'NbOfTxs') || undefined,
  }
}
