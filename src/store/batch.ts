import { createHash } from 'node:crypto'
import type { CivilDate } from '../calendar.ts'

/** A row of the journal of authorizations: what was asked, what was decided and answered. */
export interface AuthorizationRow {
  readonly id: number
  readonly receivedAtMs: number
  readonly link: string
  readonly mti: string
  /** 16 bytes, latin1. */
  readonly key: string
  /** 16 bytes, latin1. */
  readonly contentHash: string
  readonly acquirer: string
  readonly terminal: string
  readonly acceptor: string
  readonly outletId: number | undefined
  readonly stan: string
  readonly transmission: string
  readonly rrn: string
  readonly networkReference: string
  readonly panMasked: string
  readonly cardId: number | undefined
  readonly householdId: number | undefined
  readonly transactionType: string
  readonly accountCode: string
  readonly mcc: string
  readonly amount: number
  readonly approvedAmount: number
  readonly result: string
  readonly responseCode: string
  readonly originalId: number | undefined
  readonly originalKey: string | undefined
  /** JSON of the answer's own fields. */
  readonly answer: string
  /** JSON of the decision trace. */
  readonly trace: string
}

export interface TransferRow {
  readonly groupId: number
  readonly leg: number
  readonly kind: number
  readonly debit: number
  readonly credit: number
  readonly amount: number
  readonly period: number
}

export interface HoldRow {
  readonly id: number
  readonly householdId: number
  readonly kind: number
  readonly debit: number
  readonly credit: number
  readonly amount: number
  readonly expiresAtMs: number
}

export interface HoldEndingRow {
  readonly id: number
  readonly ending: string
  readonly captured: number
  readonly byId: number
}

export interface CommandRow {
  readonly id: number
  readonly kind: string
  readonly householdId: number | undefined
  readonly authorizationId: number | undefined
  readonly detail: string
}

/** Everything that one commit makes durable. */
export interface Batch {
  readonly lane: number
  readonly seq: number
  readonly epoch: number
  readonly firstId: number
  readonly nextId: number
  readonly atMs: number
  readonly businessDate: CivilDate
  readonly entitlementDate: CivilDate
  readonly authorizations: readonly AuthorizationRow[]
  readonly commands: readonly CommandRow[]
  readonly transfers: readonly TransferRow[]
  readonly holds: readonly HoldRow[]
  readonly holdEndings: readonly HoldEndingRow[]
  /** Household accounts as they stand after the batch. */
  readonly householdBalances: readonly { account: number; period: number; posted: number; held: number }[]
  /** Shared accounts' differences. */
  readonly sharedBalances: ReadonlyMap<number, number>
  readonly cashUsages: readonly { householdId: number; day: number; withdrawn: number; withdrawals: number }[]
  readonly stopOldCards: readonly number[]
}

/** The part of a batch that the hash chain covers: its head and its journal rows. */
export type JournalContent = Pick<
  Batch,
  | 'lane'
  | 'seq'
  | 'epoch'
  | 'firstId'
  | 'nextId'
  | 'atMs'
  | 'businessDate'
  | 'entitlementDate'
  | 'authorizations'
  | 'commands'
  | 'transfers'
  | 'holds'
  | 'holdEndings'
>

/** Separates fields and rows; neither can stand in a field of the journal (control characters never pass inbound). */
const FIELD = '\u001f'
const ROW = '\n'

/**
 * Hash of a batch: SHA-256(previous hash ‖ canonical text), architecture.md "Tamper evidence". The text has a line for
 * the batch and one for each journal row, fields in the order of the types above, absent values empty.
 */
export function batchHash(previous: Buffer, batch: JournalContent): Buffer {
  const head = [
    batch.lane,
    batch.seq,
    batch.epoch,
    batch.firstId,
    batch.nextId,
    batch.atMs,
    batch.businessDate,
    batch.entitlementDate,
  ].join(FIELD)
  let text = `${head}${ROW}`
  for (const a of batch.authorizations) text += authorizationText(a)
  for (const c of batch.commands) {
    text += `C${FIELD}${c.id}${FIELD}${c.kind}${FIELD}${c.householdId ?? ''}${FIELD}${c.authorizationId ?? ''}${FIELD}${c.detail}${ROW}`
  }
  for (const t of batch.transfers) {
    text += `T${FIELD}${t.groupId}${FIELD}${t.leg}${FIELD}${t.kind}${FIELD}${t.debit}${FIELD}${t.credit}${FIELD}${t.amount}${FIELD}${t.period}${ROW}`
  }
  for (const h of batch.holds) {
    text += `H${FIELD}${h.id}${FIELD}${h.householdId}${FIELD}${h.kind}${FIELD}${h.debit}${FIELD}${h.credit}${FIELD}${h.amount}${FIELD}${h.expiresAtMs}${ROW}`
  }
  for (const e of batch.holdEndings) {
    text += `E${FIELD}${e.id}${FIELD}${e.ending}${FIELD}${e.captured}${FIELD}${e.byId}${ROW}`
  }
  return createHash('sha256').update(previous).update(text).digest()
}

function authorizationText(a: AuthorizationRow): string {
  return (
    `A${FIELD}${a.id}${FIELD}${a.receivedAtMs}${FIELD}${a.link}${FIELD}${a.mti}${FIELD}${a.key}${FIELD}${a.contentHash}` +
    `${FIELD}${a.acquirer}${FIELD}${a.terminal}${FIELD}${a.acceptor}${FIELD}${a.outletId ?? ''}${FIELD}${a.stan}` +
    `${FIELD}${a.transmission}${FIELD}${a.rrn}${FIELD}${a.networkReference}${FIELD}${a.panMasked}${FIELD}${a.cardId ?? ''}` +
    `${FIELD}${a.householdId ?? ''}${FIELD}${a.transactionType}${FIELD}${a.accountCode}${FIELD}${a.mcc}${FIELD}${a.amount}` +
    `${FIELD}${a.approvedAmount}${FIELD}${a.result}${FIELD}${a.responseCode}${FIELD}${a.originalId ?? ''}` +
    `${FIELD}${a.originalKey ?? ''}${FIELD}${a.answer}${FIELD}${a.trace}${ROW}`
  )
}
