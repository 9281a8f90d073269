import type { ReadAmount, ReadBatch, ReadTransaction } from './bank-events.ts'
import { requireKnown } from './camt-elements.ts'
import { accountIdOf, codeOf, known, plain, remittanceOf, signed } from './camt-values.ts'
import type { ReadContext } from './read-context.ts'
import { all, at, type XmlNode } from './xml-reader.ts'

const ID_MAX = 35
const REASON_MAX = 35
/** Payments of one entry: a batch of the whole country's outlets has less. */
const TRANSACTIONS_MAX = 200_000

/** Where a payment's amount may stand; the first one in the currency of its entry counts. */
const AMOUNTS = [['Amt'], ['AmtDtls', 'TxAmt', 'Amt'], ['AmtDtls', 'InstdAmt', 'Amt'], ['AmtDtls', 'CntrValAmt', 'Amt']]

/** What an entry consists of. */
export interface EntryParts {
  readonly transactions: readonly ReadTransaction[]
  /** Signed; besides what the payments have each. */
  readonly charges: bigint
}

/** A payment before its entry is known, which says its side and currency. */
interface RawTransaction extends Omit<ReadTransaction, 'value' | 'charges' | 'counterpartyAccount'> {
  readonly amounts: readonly ReadAmount[]
  readonly credit: boolean | undefined
  readonly debtorAccount: string | undefined
  readonly creditorAccount: string | undefined
  readonly told: readonly Charge[]
}

/** A charge as the bank tells it, signed; whether the amount has it in it, undefined when that is not said. */
interface Charge {
  readonly amount: ReadAmount
  readonly isIncluded: boolean | undefined
}

/** The payments of the entry at hand. Kept as values: their elements may be many. */
export class EntryDetails {
  readonly #context: ReadContext
  #found: RawTransaction[] = []

  constructor(context: ReadContext) {
    this.#context = context
  }

  add(node: XmlNode): void {
    if (this.#found.length >= TRANSACTIONS_MAX) {
      this.#context.refuse(this.#context.placeOf(node), `an entry of more than ${TRANSACTIONS_MAX} payments`)
    }
    this.#found.push(this.#rawOf(node))
  }

  /** What the entry that ends here consists of, once number and sum of its payments are the entry's. */
  take(node: XmlNode, amount: ReadAmount, batch: ReadBatch | undefined): EntryParts {
    const found = this.#found
    this.#found = []
    const told = chargesOf(this.#context, node)
    // With several NtryDtls each has a Btch of its own.
    const isOneBatch = all(node, 'NtryDtls').length === 1 && batch?.transactions !== undefined
    if (isOneBatch && found.length > 0 && batch.transactions !== found.length) {
      const words = `the batch says ${batch.transactions} payments, and ${found.length} are told`
      return this.#asOne(node, words, amount, told)
    }
    const [first] = found
    if (first === undefined) return asOne(amount, told)
    if (found.length > 1) return this.#several(node, amount, found, told)
    const payment = transactionOf(first, amount)
    // The same charge is often told of the entry and of its payment.
    const charges = included(first.told.length > 0 ? first.told : told, amount, payment.value)
    return { transactions: [{ ...payment, charges }], charges: 0n }
  }

  #several(node: XmlNode, amount: ReadAmount, found: readonly RawTransaction[], told: readonly Charge[]): EntryParts {
    const payments = found.map((raw) => {
      const payment = transactionOf(raw, amount)
      const { value } = payment
      const own = value === undefined ? 0n : included(raw.told, { ...amount, value }, undefined)
      return { ...payment, charges: own }
    })
    const sum = payments.reduce((total, { value }) => total + (value ?? 0n), 0n)
    const isComplete = payments.every(({ value }) => value !== undefined)
    if (isComplete && sum === amount.value) return { transactions: payments, charges: 0n }
    const charges = sumOf(told, amount, (charge) => charge.isIncluded !== false)
    if (isComplete && sum + charges === amount.value) return { transactions: payments, charges }
    const words = isComplete
      ? `the payments of the entry are ${plain(sum)} together, the entry is ${plain(amount.value)}`
      : 'not every payment of the entry has an amount in its currency'
    return this.#asOne(node, words, amount, told)
  }

  #asOne(node: XmlNode, words: string, amount: ReadAmount, told: readonly Charge[]): EntryParts {
    this.#context.forgive('batch-details', this.#context.placeOf(node), words)
    return asOne(amount, told)
  }

  #rawOf(node: XmlNode): RawTransaction {
    const context: ReadContext = this.#context
    requireKnown(context, node)
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
      returnReason:
        context.text(node, REASON_MAX, 'RtrInf', 'Rsn', 'Cd') ??
        context.text(node, REASON_MAX, 'RtrInf', 'Rsn', 'Prtry'),
      text: remittanceOf(node),
      told: chargesOf(context, node),
    }
  }
}

function transactionOf(raw: RawTransaction, entry: ReadAmount): Omit<ReadTransaction, 'charges'> {
  const { amounts, credit: side, debtorAccount, creditorAccount, told: _, ...rest } = raw
  const credit = side ?? entry.value >= 0n
  const value = amounts.find(({ currency }) => currency === entry.currency)?.value
  return {
    ...rest,
    value: value === undefined || credit ? value : -value,
    counterpartyAccount: entry.value >= 0n ? debtorAccount : creditorAccount,
  }
}

function asOne(amount: ReadAmount, told: readonly Charge[]): EntryParts {
  return { transactions: [], charges: included(told, amount, undefined) }
}

/** Charges of an entry or a payment. Until version 3 each has a `Chrgs` of its own, since then a `Rcrd` in one. */
function chargesOf(context: ReadContext, node: XmlNode): Charge[] {
  const records = all(node, 'Chrgs').flatMap((one) => (at(one, 'Amt') === undefined ? all(one, 'Rcrd') : [one]))
  return records.map((record) => {
    const amount = context.only(record, 'Amt')
    if (amount === undefined) context.refuse(context.placeOf(record), 'a charge without amount')
    const isCredit = at(record, 'CdtDbtInd') !== undefined && context.isCredit(record, 'CdtDbtInd')
    return { amount: signed(context.amount(amount), isCredit), isIncluded: context.flag(record, 'ChrgInclInd') }
  })
}

/**
 * The charges that an amount has in it: those of which the bank says so; else, where it says nothing, all of them when
 * with the amount of the payment they make the whole. None when they would leave nothing of the payment.
 */
function included(told: readonly Charge[], whole: ReadAmount, payment: bigint | undefined): bigint {
  const stated = sumOf(told, whole, ({ isIncluded }) => isIncluded === true)
  const silent = sumOf(told, whole, ({ isIncluded }) => isIncluded === undefined)
  const charges = stated === 0n && payment !== undefined && payment + silent === whole.value ? silent : stated
  const rest = whole.value - charges
  return rest === 0n || rest < 0n !== whole.value < 0n ? 0n : charges
}

function sumOf(told: readonly Charge[], { currency }: ReadAmount, counts: (charge: Charge) => boolean): bigint {
  return told.reduce((sum, one) => (counts(one) && one.amount.currency === currency ? sum + one.amount.value : sum), 0n)
}
