import type {
  BankEvent,
  EntryEvent,
  ReadAmount,
  ReadBalance,
  ReadBatch,
  ReadTransaction,
  ReportEvent,
} from './bank-events.ts'
import { type ReadContext, UNIT } from './read-context.ts'
import { all, at, type Position, textAt, type XmlNode } from './xml-reader.ts'

/** Elements in which a report stands, and whether it is a statement. */
export const reportElements: Readonly<Record<string, 'statement' | 'notification' | 'intraday'>> = {
  Stmt: 'statement',
  Ntfctn: 'notification',
  Rpt: 'intraday',
}

const ID_MAX = 35
const ACCOUNT_MAX = 34
const TEXT_MAX = 500
const CODE_MAX = 80
/** Payments of one entry: a batch of the whole country's outlets has less. */
const TRANSACTIONS_MAX = 200_000
const OPENING = ['OPBD', 'PRCD', 'ITBD']
const CLOSING = ['CLBD', 'ITBD']
const STATUSES = new Set(['BOOK', 'PDNG', 'INFO', 'FUTR'])

/** Puts one statement, notification or intraday report together out of its records. */
export class ReportReader {
  readonly #context: ReadContext
  readonly #report: 'statement' | 'notification' | 'intraday'
  readonly #path: string
  readonly #parts: XmlNode[] = []
  #head: ReportEvent | undefined
  #details: RawTransaction[] = []
  #entries = 0
  #booked = 0
  #credits = 0n
  #debits = 0n

  /** @param path elements down to that of the report, as `Document/BkToCstmrStmt/Stmt` */
  constructor(context: ReadContext, report: 'statement' | 'notification' | 'intraday', path: string) {
    this.#context = context
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
    if (this.#head === undefined && this.#parts.length < 1_000) this.#parts.push(node)
  }

  /** A payment of the entry at hand. Kept as values: its elements may be many. */
  transaction(node: XmlNode): void {
    if (this.#details.length >= TRANSACTIONS_MAX) {
      this.#context.refuse(this.#context.placeOf(node), `an entry of more than ${TRANSACTIONS_MAX} payments`)
    }
    this.#details.push(this.#rawOf(node))
  }

  *end(place: Position & { readonly name: string }): Generator<BankEvent> {
    yield* this.#begin(place)
    const head = this.#head
    const net = this.#credits - this.#debits
    if (head?.opening !== undefined && head.closing !== undefined) this.#addUp(head, net, place)
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
    const account = at(node, 'Acct')
    const number =
      account === undefined
        ? undefined
        : (context.text(account, ACCOUNT_MAX, 'Id', 'IBAN') ?? context.text(account, ACCOUNT_MAX, 'Id', 'Othr', 'Id'))
    if (account === undefined || number === undefined) context.refuse(context.placeOf(node), 'Acct/Id is missing')
    const page = pages === undefined ? 1 : (context.number(pages, 'PgNb') ?? 1)
    const lastPage = pages === undefined || textAt(pages, 'LastPgInd') !== 'false'
    const balances = all(node, 'Bal').map((balance) => this.#balanceOf(balance))
    const opening = firstOf(balances, OPENING, 0)
    const closing = firstOf(balances, CLOSING, opening?.code === 'ITBD' ? 1 : 0)
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
      line: node.line,
      id: context.required(node, ID_MAX, 'Id'),
      sequence: context.number(node, 'ElctrncSeqNb') ?? context.number(node, 'LglSeqNb'),
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
    const amount = at(node, 'Amt')
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
    const amountNode = at(node, 'Amt')
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
      reversal: textAt(node, 'RvslInd') === 'true' || textAt(node, 'RvslInd') === '1',
      status: status as EntryEvent['status'],
      bookingDate: context.date(at(node, 'BookgDt')),
      valueDate: context.date(at(node, 'ValDt')),
      reference: context.text(node, ID_MAX, 'AcctSvcrRef'),
      entryReference: context.text(node, ID_MAX, 'NtryRef'),
      code,
      text: context.text(node, TEXT_MAX, 'AddtlNtryInf'),
      batch,
      transactions: this.#paymentsOf(node, amount, batch),
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

  /** The payments of an entry, once their number and sum are the entry's. */
  #paymentsOf(node: XmlNode, amount: ReadAmount, batch: ReadBatch | undefined): readonly ReadTransaction[] {
    const context: ReadContext = this.#context
    const found = this.#details.map((raw) => transactionOf(raw, amount))
    this.#details = []
    // With several NtryDtls each has a Btch of its own.
    const isOneBatch = all(node, 'NtryDtls').length === 1 && batch?.transactions !== undefined
    if (isOneBatch && found.length > 0 && batch.transactions !== found.length) {
      const words = `the batch says ${batch.transactions} payments, and ${found.length} are told`
      context.forgive('batch-details', context.placeOf(node), words)
      return []
    }
    if (found.length < 2) return found
    const sum = found.reduce((total, { value }) => total + (value ?? 0n), 0n)
    const isComplete = found.every(({ value }) => value !== undefined)
    if (isComplete && sum === amount.value) return found
    const words = isComplete
      ? `the payments of the entry are ${plain(sum)} together, the entry is ${plain(amount.value)}`
      : 'not every payment of the entry has an amount in its currency'
    context.forgive('batch-details', context.placeOf(node), words)
    return []
  }

  #rawOf(node: XmlNode): RawTransaction {
    const context: ReadContext = this.#context
    const amounts = AMOUNTS.map((path) => at(node, ...path)).filter((amount) => amount !== undefined)
    const parties = at(node, 'RltdPties')
    return {
      amounts: amounts.map((amount) => context.amount(amount)),
      credit: at(node, 'CdtDbtInd') === undefined ? undefined : context.isCredit(node, 'CdtDbtInd'),
      debtorAccount: accountIdOf(at(parties, 'DbtrAcct')),
      creditorAccount: accountIdOf(at(parties, 'CdtrAcct')),
      endToEndId: known(context.text(node, ID_MAX, 'Refs', 'EndToEndId')),
      reference: context.text(node, ID_MAX, 'Refs', 'AcctSvcrRef'),
      messageId: context.text(node, ID_MAX, 'Refs', 'MsgId'),
      paymentId: context.text(node, ID_MAX, 'Refs', 'PmtInfId'),
      code: codeOf(at(node, 'BkTxCd')),
      returnReason: textAt(node, 'RtrInf', 'Rsn', 'Cd') ?? textAt(node, 'RtrInf', 'Rsn', 'Prtry'),
      text: remittanceOf(node),
    }
  }
}

/** Where a payment's amount may stand; the first one in the currency of its entry counts. */
const AMOUNTS = [['Amt'], ['AmtDtls', 'TxAmt', 'Amt'], ['AmtDtls', 'InstdAmt', 'Amt'], ['AmtDtls', 'CntrValAmt', 'Amt']]

/** A payment before its entry is known, which says its side and currency. */
interface RawTransaction extends Omit<ReadTransaction, 'value' | 'counterpartyAccount'> {
  readonly amounts: readonly ReadAmount[]
  readonly credit: boolean | undefined
  readonly debtorAccount: string | undefined
  readonly creditorAccount: string | undefined
}

function transactionOf(raw: RawTransaction, entry: ReadAmount): ReadTransaction {
  const { amounts, credit: side, debtorAccount, creditorAccount, ...rest } = raw
  const credit = side ?? entry.value >= 0n
  const value = amounts.find(({ currency }) => currency === entry.currency)?.value
  return {
    ...rest,
    value: value === undefined || credit ? value : -value,
    counterpartyAccount: entry.value >= 0n ? debtorAccount : creditorAccount,
  }
}

function signed({ value, currency }: ReadAmount, credit: boolean): ReadAmount {
  return { value: credit ? value : -value, currency }
}

/** The balance of the first code that there is; an ITBD of the second place closes a page. */
function firstOf(balances: readonly ReadBalance[], codes: readonly string[], nth: number): ReadBalance | undefined {
  for (const code of codes) {
    const found = balances.filter((balance) => balance.code === code)
    const one = found[code === 'ITBD' ? nth : 0]
    if (one !== undefined) return one
  }
  return undefined
}

/** Domain, family and sub-family, else the bank's own code. */
function codeOf(node: XmlNode | undefined): string | undefined {
  const domain = textAt(node, 'Domn', 'Cd')
  if (domain === undefined) return textAt(node, 'Prtry', 'Cd')?.slice(0, CODE_MAX)
  const family = at(node, 'Domn', 'Fmly')
  return [domain, textAt(family, 'Cd') ?? '', textAt(family, 'SubFmlyCd') ?? ''].join('/').slice(0, CODE_MAX)
}

function batchOf(context: ReadContext, node: XmlNode): ReadBatch | undefined {
  const batch = at(node, 'NtryDtls', 'Btch')
  if (batch === undefined) return undefined
  return {
    messageId: context.text(batch, ID_MAX, 'MsgId'),
    paymentId: context.text(batch, ID_MAX, 'PmtInfId'),
    transactions: context.number(batch, 'NbOfTxs'),
  }
}

/** BIC or number of an agent. */
export function agentOf(node: XmlNode | undefined): string | undefined {
  const institution = at(node, 'FinInstnId')
  return (
    textAt(institution, 'BICFI') ??
    textAt(institution, 'BIC') ??
    textAt(institution, 'ClrSysMmbId', 'MmbId') ??
    textAt(institution, 'Othr', 'Id')
  )
}

/** IBAN or number of an account. */
export function accountIdOf(node: XmlNode | undefined): string | undefined {
  return (textAt(node, 'Id', 'IBAN') ?? textAt(node, 'Id', 'Othr', 'Id'))?.slice(0, ACCOUNT_MAX)
}

/** What the payer wrote, in one line. */
export function remittanceOf(node: XmlNode): string | undefined {
  const remittance = at(node, 'RmtInf')
  const words = all(remittance, 'Ustrd').map(({ text }) => text)
  for (const one of all(remittance, 'Strd')) words.push(textAt(one, 'CdtrRefInf', 'Ref') ?? '')
  words.push(textAt(node, 'AddtlTxInf') ?? '')
  return (
    words
      .filter((text) => text !== '')
      .join(' ')
      .slice(0, TEXT_MAX) || undefined
  )
}

/** What banks write where there is no end-to-end id. */
function known(endToEndId: string | undefined): string | undefined {
  return endToEndId === undefined || /^(?:NOT[ -]?PROVIDED|NONREF|NOTGIVEN)$/i.test(endToEndId) ? undefined : endToEndId
}

/** An amount for people, with the places it needs. */
function plain(value: bigint): string {
  const unsigned = value < 0n ? -value : value
  const places = (unsigned % UNIT)
    .toString()
    .padStart(5, '0')
    .replace(/0{0,3}$/, '')
  return `${value < 0n ? '-' : ''}${unsigned / UNIT}.${places}`
}
