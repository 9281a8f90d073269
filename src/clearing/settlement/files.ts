import path from 'node:path'
import { businessDayEnd } from '../../calendar.ts'
import {
  type ClearingFile,
  type FileKey,
  fileName,
  listAllFiles,
  outgoingPath,
  registerFile,
} from '../../store/clearing/files.ts'
import {
  type FileShare,
  type Instruction,
  listFileShares,
  putIntoFile,
  streamShare,
} from '../../store/clearing/settlement-instructions.ts'
import type { SettlementRun } from '../../store/clearing/settlement-runs.ts'
import type { Client } from '../../store/connection.ts'
import { inTransaction } from '../../store/transaction.ts'
import { writeAtomically } from '../atomic-file.ts'
import {
  type CreditTransfer,
  type InstitutionTransfer,
  writeInstitutionTransfers,
  writePaymentInitiation,
} from '../iso20022/credit-transfer.ts'
import { type Agent, accountOf } from '../iso20022/parties.ts'
import { lostParts } from '../outgoing/lost-file.ts'
import { messageIdOf } from './identifiers.ts'

/** How the institution names itself to its banks. */
export interface SettlementIdentity {
  readonly name: string
  readonly bic?: string | undefined
  /** Where there is no BIC. */
  readonly centre: string
  /** Code of the external list. */
  readonly purpose: string
}

export const ACTOR = 'settlement'

/** What files of a run are written with. */
export interface FileOptions {
  /** Clearing folder. */
  readonly folder: string
  readonly identity: SettlementIdentity
  /** Minutes after Cairo midnight at which the business day ends: messages say that they were made then. */
  readonly cutoverMinutes: number
}

/**
 * Writes the files of a run that are not there: for each settlement bank a pain.001 with what it pays out for us, and a
 * pacs.009 with the net positions that are settled through it. Written again they have the same bytes; when an
 * instruction was cancelled since, the file of the rest is a new one.
 * @returns all files of the run that stand
 */
export async function writeRunFiles(
  client: Client,
  run: SettlementRun,
  options: FileOptions & { readonly signal?: AbortSignal },
): Promise<ClearingFile[]> {
  const { businessDate, cycle } = run
  const known = (await listAllFiles(client, { businessDate, direction: 'out', types: ['PAY', 'NET'] })).filter(
    (file) => file.cycle === cycle,
  )
  const files: ClearingFile[] = []
  for (const share of await listFileShares(client, run)) {
    options.signal?.throwIfAborted()
    const type = share.kind === 'pain.001' ? 'PAY' : 'NET'
    const own = known.filter((file) => file.type === type && file.institution === share.bankCode)
    const standing = own.find(({ state }) => state !== 'superseded')
    if (standing !== undefined && (await isThere(client, options.folder, standing))) files.push(standing)
    else files.push(await writeShare(client, run, share, { ...options, type, standing, before: own.length }))
  }
  return files
}

/** What is encrypted need not lie there in clear; anything else has to, as it was written. */
async function isThere(client: Client, folder: string, file: ClearingFile): Promise<boolean> {
  return !(await lostParts(client, folder, file)).some(({ part }) => part === 'file')
}

interface ShareOptions extends FileOptions {
  readonly type: 'PAY' | 'NET'
  /** Registered, but not on disk. */
  readonly standing: ClearingFile | undefined
  /** Files of the share that came before. */
  readonly before: number
}

async function writeShare(
  client: Client,
  run: SettlementRun,
  share: FileShare,
  { folder, identity, cutoverMinutes, type, standing, before }: ShareOptions,
): Promise<ClearingFile> {
  const { businessDate, cycle } = run
  const sequence = standing?.sequence ?? before + 1
  const key: FileKey = { direction: 'out', type, institution: share.bankCode, businessDate, cycle, sequence }
  const name = fileName(key, '.xml')
  const document = type === 'PAY' ? initiationOf : transfersOf
  const messageId = `${messageIdOf(run, type, share.bankCode)}${sequence === 1 ? '' : `-${sequence}`}`
  const createdMs = businessDayEnd(businessDate, cutoverMinutes)
  const chunks = document(streamShare(client, run, share), { run, share, identity, messageId, createdMs })
  const written = await writeAtomically(
    path.join(folder, outgoingPath(businessDate, name)),
    async (sink) => {
      for await (const chunk of chunks) await sink.text(chunk)
    },
    standing?.sha256,
  )
  const content = {
    ...written,
    records: share.instructions,
    items: share.instructions,
    grossPiasters: share.piasters,
    totals: { messageId, valueDate: run.valueDate },
  }
  return inTransaction(client, async () => {
    const file = await registerFile(client, { ...key, name, state: 'written', content }, ACTOR)
    await putIntoFile(client, run, share, file.id)
    return file
  })
}

interface DocumentOptions {
  readonly run: SettlementRun
  readonly share: FileShare
  readonly identity: SettlementIdentity
  readonly messageId: string
  /** When messages say that they were made: at the end of the business date, so that a file made again is the same. */
  readonly createdMs: number
}

function initiationOf(
  instructions: AsyncIterable<Instruction>,
  { run, share, identity, messageId, createdMs }: DocumentOptions,
): AsyncGenerator<string> {
  const party = { name: identity.name, identification: identity.centre }
  return writePaymentInitiation({
    messageId,
    createdMs,
    initiatingParty: party,
    paymentInformationId: messageId,
    executionDate: run.valueDate,
    debtor: party,
    debtorAccount: accountOf(share.ourAccount),
    debtorAgent: { bic: share.bankBic },
    totals: { transactions: share.instructions, amountPiasters: share.piasters },
    payments: paymentsOf(instructions, identity.purpose),
  })
}

async function* paymentsOf(instructions: AsyncIterable<Instruction>, purpose: string): AsyncGenerator<CreditTransfer> {
  for await (const one of instructions) {
    const number = String(one.outletId ?? one.institution ?? '')
    yield {
      endToEndId: one.endToEndId,
      amountPiasters: one.amountPiasters,
      creditor: { name: one.partyName, identification: number },
      creditorAccount: accountOf(one.partyAccount ?? ''),
      creditorAgent: { bic: one.partyBic },
      purpose,
      remittance: remittanceOf(one, number),
    }
  }
}

function remittanceOf({ purpose, businessDate, replaces }: Instruction, number: string): string {
  if (replaces !== undefined) return `REPAYMENT OF ${replaces}`
  return `${purpose === 'offset' ? 'SET OFF FOR OUTLETS OF' : 'CARD SALES OF OUTLET'} ${number} TO ${businessDate}`
}

function transfersOf(
  instructions: AsyncIterable<Instruction>,
  { run, share, identity, messageId, createdMs }: DocumentOptions,
): AsyncGenerator<string> {
  const us: Agent =
    identity.bic === undefined ? { memberId: identity.centre, name: identity.name } : { bic: identity.bic }
  return writeInstitutionTransfers({
    messageId,
    createdMs,
    settlementDate: run.valueDate,
    instructingAgent: us,
    instructedAgent: { bic: share.bankBic },
    totals: { transactions: share.instructions, amountPiasters: share.piasters },
    payments: netsOf(instructions, us),
  })
}

async function* netsOf(instructions: AsyncIterable<Instruction>, us: Agent): AsyncGenerator<InstitutionTransfer> {
  for await (const one of instructions) {
    const ours = { agent: us, account: accountOf(one.ourAccount) }
    const theirs = {
      agent: { bic: one.partyBic },
      account: one.partyAccount === undefined ? undefined : accountOf(one.partyAccount),
    }
    const [debtor, creditor] = one.direction === 'pay' ? [ours, theirs] : [theirs, ours]
    yield {
      endToEndId: one.endToEndId,
      amountPiasters: one.amountPiasters,
      debtor: debtor.agent,
      ...(debtor.account === undefined ? {} : { debtorAccount: debtor.account }),
      creditor: creditor.agent,
      ...(creditor.account === undefined ? {} : { creditorAccount: creditor.account }),
      remittance: `NET OF ${one.institutionKind} ${one.institution} ${one.partyName} ${one.businessDate}`,
    }
  }
}
