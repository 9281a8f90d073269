import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'
import type { Client } from '../connection.ts'
import { moveFile } from './files.ts'
import { requestPostings } from './postings.ts'
import { rejectionPostings } from './settlement-failure.ts'
import { findInstruction, type Instruction, type InstructionState } from './settlement-instructions.ts'
import { readLines, rejectInstructions, suspensionWords } from './settlement-rejection.ts'

/** Statuses of payments that banks tell (pain.002, pacs.002). */
export const paymentStatuses = ['ACTC', 'ACCP', 'ACSP', 'ACSC', 'ACWC', 'PART', 'PDNG', 'RJCT'] as const
export type PaymentStatus = (typeof paymentStatuses)[number]

/** What a message or a statement says of one of our instructions. */
export interface InstructionNews {
  readonly endToEndId: string
  /** ISO reason code, such as AC04. */
  readonly reasonCode?: string | undefined
  readonly reason?: string | undefined
  /** Which message or entry says so, up to 128 characters: `pain.002 MSG-1`. */
  readonly source: string
}

/**
 * What came of it. `unknown`: no instruction of ours; `unchanged`: known before; `unexpected`: it does not go with the
 * instruction's state, and nothing was done: somebody has to look.
 */
export interface NewsOutcome {
  readonly outcome: 'applied' | 'unchanged' | 'unexpected' | 'unknown'
  readonly before: InstructionState | undefined
  readonly after: InstructionState | undefined
  /** Of what is unexpected: why, when the state does not say it. */
  readonly why?: string
}

const UNKNOWN: NewsOutcome = { outcome: 'unknown', before: undefined, after: undefined }
/** The bank has it, or is to get it, and has not said how it ended. */
export const OPEN: readonly InstructionState[] = ['released', 'sent', 'accepted']

/**
 * Takes a status of a bank. A rejection posts what never left (49), stops the payouts of an outlet until its bank data
 * are others, and lets a later run pay again. In the caller's transaction.
 */
export async function applyStatus(
  client: Client,
  news: InstructionNews & { readonly status: PaymentStatus },
): Promise<NewsOutcome> {
  const instruction = await findInstruction(client, news.endToEndId, { lock: true })
  if (instruction === undefined) return UNKNOWN
  const { state } = instruction
  const settled = state === 'settled' || state === 'returned'
  if (news.status === 'RJCT') {
    if (state === 'rejected') return same(instruction)
    if (!OPEN.includes(state)) return unexpected(instruction)
    const why = await bound(client, instruction)
    if (why !== undefined) return { ...unexpected(instruction), why }
    return reject(client, instruction, news)
  }
  // Of a group: it says nothing of this payment.
  if (news.status === 'PART') return same(instruction)
  const after: InstructionState = news.status === 'PDNG' ? 'sent' : 'accepted'
  if (news.status === 'ACSC' && OPEN.includes(state)) {
    await client.query('update settlement_instruction set is_confirmed = true where id = $1', [instruction.id])
  }
  if (settled || state === after || state === 'accepted') return same(instruction)
  if (!OPEN.includes(state)) return unexpected(instruction)
  await move(client, instruction, after, news)
  return applied(instruction, after)
}

/** What a bank has done, by its own word or its statement, it cannot reject any more; of `settlement_instruction i`. */
export const isBound = `i.is_confirmed or 0 <> coalesce((
  select sum(e.amount_piasters) from bank_entry e join bank_statement s on s.id = e.statement_id and s.report = 'statement'
  where e.matched_instruction = i.id and e.status = 'BOOK'), 0)`

async function bound(client: Client, { id }: Instruction): Promise<string | undefined> {
  const { rowCount } = await client.query(`select from settlement_instruction i where i.id = $1 and (${isBound})`, [id])
  return rowCount === 0 ? undefined : 'the bank said before that it is done, or booked it'
}

/**
 * Takes word that a payment comes back (pacs.004): no payout of the outlet until its bank data are others. The money is
 * there when a statement shows it, which is posted then (48), and a later run pays again. In the caller's transaction.
 */
export async function applyReturn(client: Client, news: InstructionNews): Promise<NewsOutcome> {
  const instruction = await findInstruction(client, news.endToEndId, { lock: true })
  if (instruction === undefined) return UNKNOWN
  const { state, direction } = instruction
  if (state === 'returned') return same(instruction)
  if (direction !== 'pay') return { ...unexpected(instruction), why: 'it is a collection: nothing of it comes back' }
  if (!(OPEN.includes(state) || state === 'settled')) return unexpected(instruction)
  await move(client, instruction, 'returned', news)
  await suspend(client, instruction, 'returned', news)
  return applied(instruction, 'returned')
}

/** Who cancels or holds an instruction, and why. */
export interface CancelOrder {
  /** `cancel`: a later run pays again. `hold`: not before people lift the suspension of the outlet. */
  readonly how: 'cancel' | 'hold'
  /** Up to 64 characters. */
  readonly actor: string
  readonly reason: string
}

/**
 * Takes an instruction back before its file is released: what it was to clear is payable again, and the file of the
 * others is written anew. In the caller's transaction.
 * @throws MizanError NOT_FOUND; CONFLICT when its file was released
 */
export async function cancelInstruction(client: Client, endToEndId: string, order: CancelOrder): Promise<Instruction> {
  const instruction = await findInstruction(client, endToEndId, { lock: true })
  if (instruction === undefined) throw new MizanError('NOT_FOUND', `there is no instruction ${endToEndId}`)
  const { state, fileId, outletId } = instruction
  if (state !== 'prepared')
    throw new MizanError('CONFLICT', `${endToEndId} is ${state}: only what is not released can be taken back`)
  if (order.how === 'hold' && outletId === undefined)
    throw new MizanError('BAD_INPUT', 'only payouts to outlets are held')
  await requirePosted(client, instruction)
  const news = { endToEndId, reason: order.reason, source: order.actor }
  const postingReference = await postCancellation(client, instruction, order.actor)
  await move(client, instruction, 'cancelled', { ...news, postingReference })
  if (order.how === 'hold') await suspend(client, instruction, 'held', news)
  if (fileId !== undefined) {
    const detail = { cancelled: endToEndId }
    const from = ['written', 'signed'] as const
    await moveFile(client, fileId, { from, to: 'superseded', action: 'superseded', actor: order.actor, detail })
    await client.query('update settlement_instruction set file_id = null where file_id = $1', [fileId])
    await client.query(
      `update settlement_run set state = 'posted' where business_date = $1 and cycle = $2 and state = 'written'`,
      [runDate(instruction), instruction.cycle],
    )
  }
  return { ...instruction, state: 'cancelled', fileId: undefined }
}

const runDate = ({ businessDate }: Instruction) => String(businessDate).replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3')

/** What was not posted yet cannot be posted back. */
async function requirePosted(client: Queryable, instruction: Instruction): Promise<void> {
  const { rowCount } = await client.query(
    `select from settlement_run where business_date = $1 and cycle = $2 and state <> 'computed'`,
    [runDate(instruction), instruction.cycle],
  )
  if (rowCount !== 1) throw new MizanError('CONFLICT', 'its run is not posted yet: wait for it to end')
}

/** Lets an outlet be paid again. @throws MizanError NOT_FOUND when nothing stops its payouts */
export async function liftSuspension(
  client: Queryable,
  outletId: number,
  by: { readonly actor: string },
): Promise<number> {
  const { rowCount } = await client.query(
    'update payout_suspension set ended_at = now(), ended_by = $2 where outlet_id = $1 and ended_at is null',
    [outletId, by.actor],
  )
  if (rowCount === 0) throw new MizanError('NOT_FOUND', `nothing stops the payouts of outlet ${outletId}`)
  return rowCount ?? 0
}

async function reject(client: Client, instruction: Instruction, news: InstructionNews): Promise<NewsOutcome> {
  await rejectInstructions(client, [instruction], news)
  return applied(instruction, 'rejected')
}

async function postCancellation(client: Client, instruction: Instruction, requestedBy: string): Promise<string> {
  const reference = `settlement-cancelled:${instruction.endToEndId}`
  const lines = (await readLines(client, [instruction.id])).get(instruction.id) ?? []
  const postings = rejectionPostings({ purpose: instruction.purpose, lines }, instruction.bank)
  await requestPostings(client, { reference, requestedBy, postings })
  return reference
}

async function move(
  client: Queryable,
  { id }: Instruction,
  state: InstructionState,
  news: Omit<InstructionNews, 'endToEndId'> & { readonly postingReference?: string },
): Promise<void> {
  const { reasonCode, source, postingReference } = news
  const reason = news.reason?.slice(0, 500)
  await client.query(
    `update settlement_instruction set state = $2, reason_code = coalesce($3, reason_code), reason = coalesce($4, reason)
     where id = $1`,
    [id, state, reasonCode ?? null, reason ?? null],
  )
  await client.query(
    `insert into settlement_instruction_event (instruction_id, state, source, reason_code, reason, posting_reference)
     values ($1, $2, $3, $4, $5, $6)`,
    [id, state, source, reasonCode ?? null, reason ?? null, postingReference ?? null],
  )
}

async function suspend(
  client: Queryable,
  { outletId, endToEndId, bankCode, partyAccount }: Instruction,
  cause: 'returned' | 'held',
  { reason, reasonCode, source }: Omit<InstructionNews, 'endToEndId'>,
): Promise<void> {
  if (outletId === undefined) return
  const words = suspensionWords(cause, { reason, reasonCode })
  await client.query(
    `insert into payout_suspension (outlet_id, cause, end_to_end_id, bank_code, account, reason, actor)
     values ($1, $2, $3, $4, $5, $6, $7) on conflict (outlet_id, cause) where ended_at is null do nothing`,
    [outletId, cause, endToEndId, bankCode, partyAccount ?? null, words, source.slice(0, 64)],
  )
}

const applied = ({ state }: Instruction, after: InstructionState): NewsOutcome => ({
  outcome: 'applied',
  before: state,
  after,
})
const same = ({ state }: Instruction): NewsOutcome => ({ outcome: 'unchanged', before: state, after: state })

/** What is kept with an answer that does not go with how its instruction stands, in up to 66 characters: what to look at. */
const WHY: Readonly<Partial<Record<InstructionState, string>>> = {
  prepared: 'it is not released yet: no bank should have it',
  cancelled: 'it was cancelled before its release: no bank should have it',
  rejected: 'it was rejected before: ask the bank which of the two holds',
  settled: 'it is settled: what was paid comes back as a return',
  returned: 'it came back before',
}

const unexpected = ({ state }: Instruction): NewsOutcome => ({
  outcome: 'unexpected',
  before: state,
  after: state,
  why: WHY[state] ?? `it is ${state}`,
})
