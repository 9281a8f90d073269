import type { CivilDate } from '../../calendar.ts'
import type { AnswerEvent, BankEvent, MessageName, PaymentEvent, ReadAmount, ReturnEvent } from './bank-events.ts'
import { accountIdOf, agentOf, joined, known, remittanceOf } from './camt-values.ts'
import type { ReadContext } from './read-context.ts'
import { all, at, textAt, type XmlNode } from './xml-reader.ts'

const ID_MAX = 35
const REASON_MAX = 35
const NAME_MAX = 140
const COUNT_DIGITS = 15
/** ISO 4217: no currency. A control sum is a number alone. */
const NO_CURRENCY = 'XXX'
/** What a payment block says of itself, as far as it is read. */
const BLOCK = new Set(['OrgnlPmtInfId', 'PmtInfSts', 'StsRsnInf', 'PmtInfId', 'ReqdExctnDt', 'DbtrAcct', 'DbtrAgt'])
const BLOCK_MAX = 100

/** Reads payments, and what became of them, out of the records of one message. */
export class PaymentReader {
  readonly #context: ReadContext
  readonly #message: MessageName
  #originalMessageId: string | undefined
  #originalMessageName: string | undefined
  #block: XmlNode[] = []
  #answersBefore = false
  #counted = 0
  #sum = 0n
  #header: XmlNode | undefined
  #headerPath = ''
  #executionDate: CivilDate | undefined

  constructor(context: ReadContext, message: MessageName) {
    this.#context = context
    this.#message = message
  }

  /** A record below the message's element, GrpHdr first. */
  *record(node: XmlNode): Generator<BankEvent> {
    switch (node.name) {
      case 'GrpHdr':
        this.#header = node
        this.#headerPath = this.#context.path
        return
      case 'OrgnlGrpInfAndSts':
      case 'OrgnlGrpInf':
        yield* this.#original(node)
        return
      case 'TxInfAndSts':
        yield* this.#answers()
        yield this.#answer(node, 'payment')
        return
      case 'TxInf':
        yield this.#returned(node)
        return
      case 'CdtTrfTxInf':
        yield this.#payment(node)
        return
      default:
        return
    }
  }

  /** A record within OrgnlPmtInfAndSts or PmtInf. */
  *within(node: XmlNode): Generator<BankEvent> {
    if (node.name === 'TxInfAndSts' || node.name === 'CdtTrfTxInf') yield* this.record(node)
    else if (BLOCK.has(node.name)) {
      if (this.#block.length >= BLOCK_MAX) {
        this.#context.refuse(this.#context.placeOf(node), `more than ${BLOCK_MAX} elements before the payments`)
      }
      this.#block.push(node)
    }
    if (node.name === 'ReqdExctnDt') this.#executionDate = this.#context.date(node)
  }

  /** A payment block ended. */
  *blockEnd(): Generator<BankEvent> {
    yield* this.#answers()
    this.#block = []
    this.#executionDate = undefined
    this.#answersBefore = false
  }

  /** @throws RefusedFile when the payments are not those of the header */
  end(): void {
    const header = this.#header
    // Answers have no number in their header.
    if (header === undefined) return
    this.#context.path = this.#headerPath
    const stated = this.#context.number(header, COUNT_DIGITS, 'NbOfTxs')
    if (stated !== undefined && stated !== this.#counted) {
      const words = `the header says ${stated} payments, and there are ${this.#counted}`
      this.#context.forgive('counts', this.#context.placeOf(header, 'NbOfTxs'), words)
    }
    const total = at(header, 'TtlIntrBkSttlmAmt') ?? at(header, 'TtlRtrdIntrBkSttlmAmt')
    const sumNode = total ?? at(header, 'CtrlSum')
    if (sumNode === undefined) return
    const sum = this.#context.amount({ ...sumNode, currency: sumNode.currency ?? NO_CURRENCY })
    if (sum.value !== this.#sum) {
      this.#context.forgive(
        'counts',
        this.#context.placeOf(header, sumNode.name),
        'the sum of the payments is not that of the header',
      )
    }
  }

  *#original(node: XmlNode): Generator<BankEvent> {
    const context: ReadContext = this.#context
    this.#originalMessageId = context.text(node, ID_MAX, 'OrgnlMsgId')
    this.#originalMessageName = context.text(node, ID_MAX, 'OrgnlMsgNmId')
    if (this.#originalMessageId === undefined) {
      context.forgive('no-original', context.placeOf(node), 'OrgnlMsgId is missing')
    }
    if (textAt(node, 'GrpSts') !== undefined) yield this.#answer(node, 'message')
  }

  /** What became of the block as a whole, told before its payments. */
  *#answers(): Generator<BankEvent> {
    if (this.#answersBefore || this.#block.length === 0 || this.#message !== 'pain.002') return
    this.#answersBefore = true
    const first = this.#block[0]
    if (first === undefined) return
    const block: XmlNode = { ...first, name: 'OrgnlPmtInfAndSts', children: this.#block }
    if (textAt(block, 'PmtInfSts') !== undefined) yield this.#answer(block, 'block')
  }

  #answer(node: XmlNode, level: AnswerEvent['level']): AnswerEvent {
    const context: ReadContext = this.#context
    const statusName = { message: 'GrpSts', block: 'PmtInfSts', payment: 'TxSts' }[level]
    const status = textAt(node, statusName)
    if (status !== undefined && !/^[A-Z0-9]{1,4}$/.test(status)) {
      context.refuse(context.placeOf(node, statusName), `"${status.slice(0, 40)}" is no status of up to 4 capitals`)
    }
    const reasons = all(node, 'StsRsnInf')
    const texts = reasons.flatMap((reason) => all(reason, 'AddtlInf')).map(({ text }) => text)
    const own = at(node, 'OrgnlGrpInf')
    return {
      type: 'answer',
      line: node.line,
      level,
      originalMessageId: messageIdOf(context, own) ?? this.#originalMessageId,
      originalMessageName: textAt(own, 'OrgnlMsgNmId') ?? this.#originalMessageName,
      paymentId: this.#blockText('OrgnlPmtInfId'),
      endToEndId: level === 'payment' ? originalIdOf(context, node) : undefined,
      originals: level === 'payment' ? originalsOf(context, node) : [],
      // A payment without a status of its own shares that of its message or block.
      status: status ?? '',
      reason: reasonOf(context, reasons[0]),
      text: joined(texts),
      reference: context.text(node, ID_MAX, 'AcctSvcrRef'),
    }
  }

  #blockText(name: string): string | undefined {
    const found = this.#block.find((part) => part.name === name)
    return found?.text === '' || found === undefined ? undefined : this.#context.limited(found, ID_MAX)
  }

  #returned(node: XmlNode): ReturnEvent {
    const context: ReadContext = this.#context
    const amount = context.only(node, 'RtrdIntrBkSttlmAmt')
    if (amount === undefined) context.refuse(context.placeOf(node), 'RtrdIntrBkSttlmAmt is missing')
    const reason = at(node, 'RtrRsnInf')
    const returned = context.amount(amount)
    this.#counted++
    this.#sum += returned.value
    const own = at(node, 'OrgnlGrpInf')
    return {
      type: 'return',
      line: node.line,
      originalMessageId: messageIdOf(context, own) ?? this.#originalMessageId,
      originalMessageName: textAt(own, 'OrgnlMsgNmId') ?? this.#originalMessageName,
      endToEndId: originalIdOf(context, node),
      originals: originalsOf(context, node),
      returned,
      reason: reasonOf(context, reason),
      text: joined(all(reason, 'AddtlInf').map(({ text }) => text)),
      reference: context.text(node, ID_MAX, 'RtrId'),
    }
  }

  #payment(node: XmlNode): PaymentEvent {
    const context: ReadContext = this.#context
    const amountNode = at(node, 'IntrBkSttlmAmt') ?? at(node, 'Amt', 'InstdAmt') ?? at(node, 'Amt', 'EqvtAmt', 'Amt')
    if (amountNode === undefined) context.refuse(context.placeOf(node), 'a payment without amount')
    const amount = context.amount(amountNode)
    this.#counted++
    this.#sum += amount.value
    const block = (name: string) => this.#block.find((part) => part.name === name)
    const date = at(node, 'IntrBkSttlmDt') ?? at(this.#header, 'IntrBkSttlmDt')
    return {
      type: 'payment',
      line: node.line,
      paymentId: this.#blockText('PmtInfId'),
      endToEndId: context.required(node, ID_MAX, 'PmtId', 'EndToEndId'),
      amount,
      executionDate: context.date(date) ?? this.#executionDate,
      debtorAccount: accountIdOf(at(node, 'DbtrAcct') ?? block('DbtrAcct')),
      creditorAccount: accountIdOf(at(node, 'CdtrAcct')),
      creditorName: context.text(node, NAME_MAX, 'Cdtr', 'Nm') ?? agentOf(at(node, 'Cdtr')),
      debtorAgent: agentOf(at(node, 'DbtrAgt') ?? block('DbtrAgt') ?? at(node, 'Dbtr')),
      creditorAgent: agentOf(at(node, 'CdtrAgt') ?? at(node, 'Cdtr')),
      text: remittanceOf(node),
    }
  }
}

function messageIdOf(context: ReadContext, original: XmlNode | undefined): string | undefined {
  return original === undefined ? undefined : context.text(original, ID_MAX, 'OrgnlMsgId')
}

/** The id of ours that a payment had: we write the same one as end-to-end id, transaction id and instruction id. */
function originalIdOf(context: ReadContext, node: XmlNode): string | undefined {
  return (
    known(context.text(node, ID_MAX, 'OrgnlEndToEndId')) ??
    context.text(node, ID_MAX, 'OrgnlTxId') ??
    context.text(node, ID_MAX, 'OrgnlInstrId')
  )
}

/** Amounts that the answer says the payment had. */
function originalsOf(context: ReadContext, node: XmlNode): ReadAmount[] {
  const reference = at(node, 'OrgnlTxRef')
  const said = [at(node, 'OrgnlIntrBkSttlmAmt'), at(reference, 'IntrBkSttlmAmt'), at(reference, 'Amt', 'InstdAmt')]
  return said.filter((one) => one !== undefined).map((one) => context.amount(one))
}

function reasonOf(context: ReadContext, information: XmlNode | undefined): string | undefined {
  if (information === undefined) return undefined
  return context.text(information, REASON_MAX, 'Rsn', 'Cd') ?? context.text(information, REASON_MAX, 'Rsn', 'Prtry')
}
