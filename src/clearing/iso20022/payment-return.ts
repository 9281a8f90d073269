import type { CivilDate } from '../../calendar.ts'
import { amountXml, type Rows, settlementHeadXml, type Totals } from './credit-transfer.ts'
import type { Agent } from './parties.ts'
import { reasonXml } from './status-report.ts'
import { identifier } from './values.ts'
import { closing, DOCUMENT_END, documentStart, inChunks, leaf, node, opening } from './xml.ts'

/** A payment that comes back. */
export interface ReturnedPayment {
  readonly returnId: string
  readonly endToEndId: string
  /** What was paid, and what of it comes back. */
  readonly originalPiasters: number
  readonly returnedPiasters: number
  /** ISO reason code: AC01 wrong account, AC04 closed, AC06 blocked, AG01, AM04, BE04, MD07, RC01, RR04, NARR. */
  readonly reason: string
  readonly text?: string
}

/** pacs.004.001.09: payments of one earlier message that come back. */
export interface PaymentReturns {
  readonly messageId: string
  readonly createdMs: number
  readonly settlementDate: CivilDate
  readonly originalMessageId: string
  readonly originalMessageName: string
  readonly instructingAgent: Agent
  readonly instructedAgent: Agent
  readonly totals: Totals
  readonly payments: Rows<ReturnedPayment>
}

/** Writes pacs.004.001.09 in chunks. @throws MizanError BAD_INPUT when a value cannot be written */
export function writePaymentReturns(message: PaymentReturns): AsyncGenerator<string> {
  return inChunks(pieces(message))
}

async function* pieces(message: PaymentReturns): AsyncGenerator<string> {
  yield documentStart('pacs.004.001.09') + opening('PmtRtr')
  yield `${settlementHeadXml(message, 'TtlRtrdIntrBkSttlmAmt')}\n`
  yield `${node(
    'OrgnlGrpInf',
    leaf('OrgnlMsgId', identifier(message.originalMessageId, 'OrgnlMsgId')),
    leaf('OrgnlMsgNmId', message.originalMessageName),
  )}\n`
  for await (const payment of message.payments) {
    yield `${node(
      'TxInf',
      leaf('RtrId', identifier(payment.returnId, 'RtrId')),
      leaf('OrgnlEndToEndId', identifier(payment.endToEndId, 'OrgnlEndToEndId')),
      amountXml('OrgnlIntrBkSttlmAmt', payment.originalPiasters, payment.endToEndId),
      amountXml('RtrdIntrBkSttlmAmt', payment.returnedPiasters, payment.endToEndId),
      reasonXml('RtrRsnInf', payment.reason, payment.text),
    )}\n`
  }
  yield closing('PmtRtr') + DOCUMENT_END
}
