import { headXml, type Rows } from './credit-transfer.ts'
import { type Agent, agentXml } from './parties.ts'
import { externalCode, identifier, isoDateTime, latinText } from './values.ts'
import { closing, DOCUMENT_END, documentStart, inChunks, leaf, node, opening, optionalLeaf, type Xml } from './xml.ts'

/** Status codes that are written: accepted by profile, in settlement, settled; partly; pending; rejected. */
export type PaymentStatus = 'ACTC' | 'ACCP' | 'ACSP' | 'ACSC' | 'ACWC' | 'PART' | 'PDNG' | 'RJCT'

/** What became of one payment. */
export interface PaymentStatusItem {
  readonly endToEndId: string
  readonly status: PaymentStatus
  /** ISO reason code, e.g. AC04; told with a rejection. */
  readonly reason?: string
  readonly text?: string
  /** The bank's own reference of the payment. */
  readonly accountServicerReference?: string
  readonly acceptedMs?: number
}

/** pain.002 or pacs.002: what became of a message and its payments. */
export interface StatusReport {
  readonly messageId: string
  readonly createdMs: number
  readonly originalMessageId: string
  /** As in `pain.001.001.09`. */
  readonly originalMessageName: string
  /** PmtInfId of the pain.001; pain.002 tells of payments within it. */
  readonly originalPaymentInformationId?: string
  readonly groupStatus?: PaymentStatus
  readonly groupReason?: string
  readonly instructingAgent?: Agent
  readonly instructedAgent?: Agent
  readonly items: Rows<PaymentStatusItem>
}

const TEXT_MAX = 105

/** Writes pain.002.001.10 in chunks. @throws MizanError BAD_INPUT when a value cannot be written */
export function writeCustomerStatus(report: StatusReport): AsyncGenerator<string> {
  return inChunks(customerPieces(report))
}

async function* customerPieces(report: StatusReport): AsyncGenerator<string> {
  yield documentStart('pain.002.001.10') + opening('CstmrPmtStsRpt')
  yield `${node('GrpHdr', headXml(report))}\n${originalXml(report)}\n`
  let open = false
  for await (const item of report.items) {
    if (!open) {
      const id = identifier(report.originalPaymentInformationId ?? report.originalMessageId, 'OrgnlPmtInfId')
      yield opening('OrgnlPmtInfAndSts') + leaf('OrgnlPmtInfId', id)
      open = true
    }
    yield `${node(
      'TxInfAndSts',
      leaf('OrgnlEndToEndId', identifier(item.endToEndId, 'OrgnlEndToEndId')),
      statusXml(item),
      optionalLeaf('AccptncDtTm', item.acceptedMs === undefined ? undefined : isoDateTime(item.acceptedMs)),
      referenceXml(item),
    )}\n`
  }
  yield (open ? closing('OrgnlPmtInfAndSts') : '') + closing('CstmrPmtStsRpt') + DOCUMENT_END
}

/** Writes pacs.002.001.10 in chunks. @throws MizanError BAD_INPUT when a value cannot be written */
export function writeInstitutionStatus(report: StatusReport): AsyncGenerator<string> {
  return inChunks(institutionPieces(report))
}

async function* institutionPieces(report: StatusReport): AsyncGenerator<string> {
  const { instructingAgent, instructedAgent } = report
  const agents = [
    instructingAgent === undefined ? undefined : agentXml('InstgAgt', instructingAgent),
    instructedAgent === undefined ? undefined : agentXml('InstdAgt', instructedAgent),
  ]
  yield documentStart('pacs.002.001.10') + opening('FIToFIPmtStsRpt')
  yield `${node('GrpHdr', headXml(report), agents)}\n${originalXml(report)}\n`
  for await (const item of report.items) {
    const id = identifier(item.endToEndId, 'OrgnlEndToEndId')
    yield `${node(
      'TxInfAndSts',
      leaf('OrgnlInstrId', id),
      leaf('OrgnlEndToEndId', id),
      leaf('OrgnlTxId', id),
      statusXml(item),
      optionalLeaf('AccptncDtTm', item.acceptedMs === undefined ? undefined : isoDateTime(item.acceptedMs)),
      referenceXml(item),
    )}\n`
  }
  yield closing('FIToFIPmtStsRpt') + DOCUMENT_END
}

function originalXml(report: StatusReport): Xml {
  return node(
    'OrgnlGrpInfAndSts',
    leaf('OrgnlMsgId', identifier(report.originalMessageId, 'OrgnlMsgId')),
    leaf('OrgnlMsgNmId', report.originalMessageName),
    optionalLeaf('GrpSts', report.groupStatus),
    report.groupReason === undefined ? undefined : reasonXml('StsRsnInf', report.groupReason),
  )
}

function statusXml({ status, reason, text }: PaymentStatusItem): Xml[] {
  const told = reason === undefined ? [] : [reasonXml('StsRsnInf', reason, text)]
  return [leaf('TxSts', status), ...told]
}

function referenceXml({ accountServicerReference: reference }: PaymentStatusItem): Xml | undefined {
  return reference === undefined ? undefined : leaf('AcctSvcrRef', identifier(reference, 'AcctSvcrRef'))
}

/** A reason as code with a line of text: StatusReasonInformation, PaymentReturnReason. */
export function reasonXml(name: string, reason: string, text?: string): Xml {
  return node(
    name,
    node('Rsn', leaf('Cd', externalCode(reason, 'a reason'))),
    text === undefined ? undefined : leaf('AddtlInf', latinText(text, TEXT_MAX, 'a reason')),
  )
}
