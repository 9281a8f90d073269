import type { CivilDate } from '../../calendar.ts'
import { headXml, type Rows } from './credit-transfer.ts'
import { type Account, type Agent, accountXml } from './parties.ts'
import { reasonXml } from './status-report.ts'
import { CURRENCY, decimalPounds, identifier, isoDate, isoDateTime, latinText } from './values.ts'
import { closing, DOCUMENT_END, documentStart, inChunks, leaf, node, opening, optionalLeaf, type Xml } from './xml.ts'

/** Domain, family and sub-family of ISO's bank transaction codes, as in `PMNT/ICDT/DMCT`. */
export type TransactionCode = string

/** A payment within an entry. */
export interface StatementTransaction {
  readonly endToEndId?: string
  readonly accountServicerReference?: string
  /** MsgId of the message that carried it. */
  readonly messageId?: string
  readonly amountPiasters: number
  readonly credit: boolean
  /** Taken by the bank; the amount of the entry has it in it. */
  readonly chargePiasters?: number
  readonly returnReason?: string
  readonly remittance?: string
}

/** A booking on an account. */
export interface StatementLine {
  /** NtryRef. */
  readonly reference: string
  /** Without sign; `credit` says which way, and `reversal` that it takes an earlier booking of the other way back. */
  readonly amountPiasters: bigint
  readonly credit: boolean
  readonly reversal?: boolean
  readonly status: 'BOOK' | 'PDNG' | 'INFO'
  readonly bookingDate: CivilDate
  readonly valueDate: CivilDate
  readonly accountServicerReference?: string
  readonly transactionCode: TransactionCode
  readonly transactions: readonly StatementTransaction[]
  readonly text?: string
}

/** One statement (camt.053) or notification (camt.054). */
export interface AccountReport {
  readonly id: string
  readonly sequence?: number
  readonly createdMs: number
  readonly fromMs?: number
  readonly toMs?: number
  readonly account: Account
  readonly servicer?: Agent
  /** Signed from the account owner's side: negative is overdrawn. A notification has none. */
  readonly opening?: Balance
  readonly closing?: Balance
  readonly lines: Rows<StatementLine>
}

export interface Balance {
  readonly amountPiasters: bigint
  readonly date: CivilDate
}

/** A file of statements or notifications. */
export interface AccountReports {
  readonly messageId: string
  readonly createdMs: number
  readonly reports: Rows<AccountReport>
}

const TEXT_MAX = 500
const REMITTANCE_MAX = 140

/** Writes camt.053.001.08, statements, in chunks. @throws MizanError BAD_INPUT when a value cannot be written */
export function writeStatements(message: AccountReports): AsyncGenerator<string> {
  return inChunks(pieces(message, { schema: 'camt.053.001.08', root: 'BkToCstmrStmt', report: 'Stmt' }))
}

/** Writes camt.054.001.08, notifications, in chunks. @throws MizanError BAD_INPUT when a value cannot be written */
export function writeNotifications(message: AccountReports): AsyncGenerator<string> {
  return inChunks(pieces(message, { schema: 'camt.054.001.08', root: 'BkToCstmrDbtCdtNtfctn', report: 'Ntfctn' }))
}

interface Names {
  readonly schema: string
  readonly root: string
  readonly report: string
}

async function* pieces(message: AccountReports, { schema, root, report }: Names): AsyncGenerator<string> {
  yield `${documentStart(schema)}${opening(root)}${node('GrpHdr', headXml(message))}\n`
  for await (const one of message.reports) {
    yield `${opening(report)}${reportHeadXml(one).join('')}\n`
    for await (const line of one.lines) yield `${lineXml(line)}\n`
    yield closing(report)
  }
  yield closing(root) + DOCUMENT_END
}

function reportHeadXml(report: AccountReport): Xml[] {
  const { fromMs, toMs, servicer } = report
  const parts = [
    leaf('Id', identifier(report.id, 'the statement id')),
    optionalLeaf('ElctrncSeqNb', report.sequence?.toString()),
    leaf('CreDtTm', isoDateTime(report.createdMs)),
    fromMs === undefined || toMs === undefined
      ? undefined
      : node('FrToDt', leaf('FrDtTm', isoDateTime(fromMs)), leaf('ToDtTm', isoDateTime(toMs))),
    accountXml('Acct', report.account, CURRENCY, servicer),
    report.opening === undefined ? undefined : balanceXml('OPBD', report.opening),
    report.closing === undefined ? undefined : balanceXml('CLBD', report.closing),
  ]
  return parts.filter((part) => part !== undefined)
}

function balanceXml(code: string, { amountPiasters, date }: Balance): Xml {
  const unsigned = amountPiasters < 0n ? -amountPiasters : amountPiasters
  return node(
    'Bal',
    node('Tp', node('CdOrPrtry', leaf('Cd', code))),
    leaf('Amt', decimalPounds(unsigned), { Ccy: CURRENCY }),
    leaf('CdtDbtInd', amountPiasters < 0n ? 'DBIT' : 'CRDT'),
    node('Dt', leaf('Dt', isoDate(date))),
  )
}

function lineXml(line: StatementLine): Xml {
  const sum = line.transactions.reduce((total, { amountPiasters }) => total + BigInt(amountPiasters), 0n)
  const batch =
    line.transactions.length < 2
      ? undefined
      : node(
          'Btch',
          leaf('NbOfTxs', String(line.transactions.length)),
          leaf('TtlAmt', decimalPounds(sum), { Ccy: CURRENCY }),
        )
  const details =
    line.transactions.length === 0 ? undefined : node('NtryDtls', batch, line.transactions.map(transactionXml))
  return node(
    'Ntry',
    leaf('NtryRef', identifier(line.reference, 'NtryRef')),
    leaf('Amt', decimalPounds(line.amountPiasters), { Ccy: CURRENCY }),
    leaf('CdtDbtInd', line.credit ? 'CRDT' : 'DBIT'),
    line.reversal === true ? leaf('RvslInd', 'true') : undefined,
    node('Sts', leaf('Cd', line.status)),
    node('BookgDt', leaf('Dt', isoDate(line.bookingDate))),
    node('ValDt', leaf('Dt', isoDate(line.valueDate))),
    optionalReference('AcctSvcrRef', line.accountServicerReference),
    codeXml(line.transactionCode),
    details,
    line.text === undefined ? undefined : leaf('AddtlNtryInf', latinText(line.text, TEXT_MAX, 'a text')),
  )
}

function optionalReference(name: string, value: string | undefined): Xml | undefined {
  return value === undefined ? undefined : leaf(name, identifier(value, name))
}

function codeXml(code: TransactionCode): Xml {
  const [domain, family, subFamily] = code.split('/')
  if (domain === undefined || family === undefined || subFamily === undefined) {
    return node('BkTxCd', node('Prtry', leaf('Cd', identifier(code, 'a transaction code'))))
  }
  return node(
    'BkTxCd',
    node('Domn', leaf('Cd', domain), node('Fmly', leaf('Cd', family), leaf('SubFmlyCd', subFamily))),
  )
}

function transactionXml(transaction: StatementTransaction): Xml {
  const { endToEndId, returnReason, remittance } = transaction
  return node(
    'TxDtls',
    node(
      'Refs',
      optionalReference('MsgId', transaction.messageId),
      optionalReference('AcctSvcrRef', transaction.accountServicerReference),
      leaf('EndToEndId', endToEndId === undefined ? 'NOTPROVIDED' : identifier(endToEndId, 'EndToEndId')),
    ),
    leaf('Amt', decimalPounds(transaction.amountPiasters), { Ccy: CURRENCY }),
    leaf('CdtDbtInd', transaction.credit ? 'CRDT' : 'DBIT'),
    chargeXml(transaction.chargePiasters),
    remittance === undefined
      ? undefined
      : node('RmtInf', leaf('Ustrd', latinText(remittance, REMITTANCE_MAX, 'a remittance'))),
    returnReason === undefined ? undefined : reasonXml('RtrInf', returnReason),
  )
}

function chargeXml(piasters: number | undefined): Xml | undefined {
  if (piasters === undefined) return undefined
  const amount = leaf('Amt', decimalPounds(piasters), { Ccy: CURRENCY })
  return node('Chrgs', node('Rcrd', amount, leaf('CdtDbtInd', 'DBIT'), leaf('ChrgInclInd', 'true')))
}
