import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'

/** Which answers a list has: those that somebody has to look at, those that somebody closed, or all that came. */
export const answerStates = ['open', 'closed', 'any'] as const
export type AnswerState = (typeof answerStates)[number]

/** What a bank said of a payment or message, for people. */
export interface ListedAnswer {
  /** Of the receipt. */
  readonly bankFile: number
  readonly file: string
  readonly number: number
  readonly receivedAt: Date
  readonly bank: number | undefined
  readonly answer: 'status' | 'return'
  readonly messageId: string | undefined
  readonly endToEndId: string | undefined
  readonly status: string | undefined
  readonly reasonCode: string | undefined
  readonly reason: string | undefined
  /** Of a return. */
  readonly amountPiasters: number | undefined
  /** What it made of the instruction, or why nothing. */
  readonly outcome: string
  /** Whether somebody has to look at it. */
  readonly isOpen: boolean
  readonly closedAt: Date | undefined
  readonly closedBy: string | undefined
  readonly closeReason: string | undefined
}

/** Of nothing that we know, or does not go with how an instruction stands; as the index of the table has it. */
const NEEDS_LOOK = `(a.outcome = 'unknown' or a.outcome like 'unexpected%')`
const IS_OPEN = `a.closed_at is null and ${NEEDS_LOOK}`
const WHERE: Readonly<Record<AnswerState, string>> = { open: IS_OPEN, closed: 'a.closed_at is not null', any: 'true' }
const REASON_MAX = 500

/** Place of an answer: the receipt of its file, and its number there. */
export interface AnswerPlace {
  readonly bankFile: number
  readonly number: number
}

type Row = Record<string, string | null> & {
  number: number
  received_at: Date
  bank: number | null
  answer: ListedAnswer['answer']
  is_open: boolean
  closed_at: Date | null
}

/** Answers of banks, those of the newest file first. */
export async function listAnswers(
  client: Queryable,
  filter: {
    readonly state: AnswerState
    readonly endToEndId?: string | undefined
    /** The last one seen. */
    readonly after?: AnswerPlace | undefined
    readonly limit: number
  },
): Promise<ListedAnswer[]> {
  const { after } = filter
  const { rows } = await client.query<Row>(
    `${SELECT}
     where ${WHERE[filter.state]} and ($1::text is null or a.end_to_end_id = $1)
       and ($2::bigint is null or a.bank_file < $2 or (a.bank_file = $2 and a.number > $3))
     order by a.bank_file desc, a.number limit $4`,
    [filter.endToEndId ?? null, after?.bankFile ?? null, after?.number ?? null, filter.limit],
  )
  return rows.map(listed)
}

/**
 * Closes an open answer: somebody has looked, and says what came of it. Nothing else changes: neither its instruction nor money.
 * @param closing.reason 1 to 500 characters
 * @throws MizanError NOT_FOUND; CONFLICT when it is not open; BAD_INPUT
 */
export async function closeAnswer(
  client: Queryable,
  { bankFile, number }: AnswerPlace,
  closing: { readonly reason: string; readonly actor: string; readonly nowMs: number },
): Promise<ListedAnswer> {
  const reason = closing.reason.trim()
  if (reason === '' || reason.length > REASON_MAX) {
    throw new MizanError('BAD_INPUT', `say in up to ${REASON_MAX} characters what came of it`)
  }
  const { rowCount } = await client.query(
    `update bank_answer a set closed_at = $3, closed_by = $4, close_reason = $5
     where a.bank_file = $1 and a.number = $2 and ${IS_OPEN}`,
    [bankFile, number, new Date(closing.nowMs), closing.actor, reason],
  )
  const { rows } = await client.query<Row>(`${SELECT} where a.bank_file = $1 and a.number = $2`, [bankFile, number])
  const [found] = rows.map(listed)
  if (found === undefined) throw new MizanError('NOT_FOUND', `there is no answer ${bankFile}:${number}`)
  if (rowCount === 1) return found
  const { closedBy, closedAt, outcome } = found
  const why = closedAt === undefined ? `"${outcome}"` : `closed by ${closedBy} at ${closedAt.toISOString()}`
  throw new MizanError('CONFLICT', `answer ${bankFile}:${number} is not open: it is ${why}`)
}

const SELECT = `
  select a.bank_file, f.name as file, a.number, f.received_at, f.bank, a.answer, coalesce(a.payment_id, a.message_id) as message_id,
         a.end_to_end_id, a.status, a.reason_code, a.reason, a.amount_piasters, a.outcome, ${IS_OPEN} as is_open,
         a.closed_at, a.closed_by, a.close_reason
  from bank_answer a join bank_file f on f.id = a.bank_file`

function listed(row: Row): ListedAnswer {
  return {
    bankFile: Number(row.bank_file),
    file: row.file ?? '',
    number: row.number,
    receivedAt: row.received_at,
    bank: row.bank ?? undefined,
    answer: row.answer,
    messageId: row.message_id ?? undefined,
    endToEndId: row.end_to_end_id ?? undefined,
    status: row.status ?? undefined,
    reasonCode: row.reason_code ?? undefined,
    reason: row.reason ?? undefined,
    amountPiasters: row.amount_piasters === null ? undefined : Number(row.amount_piasters),
    outcome: row.outcome ?? '',
    isOpen: row.is_open,
    closedAt: row.closed_at ?? undefined,
    closedBy: row.closed_by ?? undefined,
    closeReason: row.close_reason ?? undefined,
  }
}
