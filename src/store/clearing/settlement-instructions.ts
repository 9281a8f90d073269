import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'
import { keyOf, type RunKey } from './settlement-runs.ts'

export const instructionStates = [
  'prepared',
  'released',
  'sent',
  'accepted',
  'settled',
  'rejected',
  'returned',
  'cancelled',
] as const
export type InstructionState = (typeof instructionStates)[number]

export const instructionKinds = ['pain.001', 'pacs.009'] as const
export type InstructionKind = (typeof instructionKinds)[number]

/** What an order to a bank says, from the day on which it is made. */
export interface InstructionTerms {
  readonly endToEndId: string
  readonly uetr: string
  readonly kind: InstructionKind
  readonly purpose: 'payout' | 'repayment' | 'offset' | 'net'
  readonly direction: 'pay' | 'collect'
  /** Whose account of ours is debited or credited. */
  readonly bank: number
  readonly bankCode: string
  readonly bankBic: string
  readonly bankName: string
  readonly ourAccount: string
  readonly outletId: number | undefined
  readonly institutionKind: string | undefined
  readonly institution: number | undefined
  readonly partyName: string
  readonly partyAccount: string | undefined
  /** Of the bank that is to get it, or to give it. */
  readonly partyBic: string
  /** The one that came to nothing and that this one stands for. */
  readonly replaces: string | undefined
}

/** An order to a bank to pay, or to let us have. */
export interface Instruction extends RunKey, InstructionTerms {
  readonly id: number
  readonly amountPiasters: number
  readonly valueDate: CivilDate
  readonly fileId: number | undefined
  /** The one that stands for it. */
  readonly replacedBy: string | undefined
  readonly state: InstructionState
  readonly reasonCode: string | undefined
  readonly reason: string | undefined
}

interface Row {
  readonly id: string
  readonly business_date: string
  readonly cycle: number
  readonly end_to_end_id: string
  readonly uetr: string
  readonly kind: InstructionKind
  readonly purpose: Instruction['purpose']
  readonly direction: Instruction['direction']
  readonly bank: number
  readonly bank_code: string
  readonly bank_bic: string
  readonly bank_name: string
  readonly our_account: string
  readonly outlet_id: string | null
  readonly institution_kind: string | null
  readonly institution: string | null
  readonly party_name: string
  readonly party_account: string | null
  readonly party_bic: string
  readonly amount_piasters: string
  readonly value_date: string
  readonly file_id: string | null
  readonly replaces: string | null
  readonly replaced_by: string | null
  readonly state: InstructionState
  readonly reason_code: string | null
  readonly reason: string | null
}

const columns = `i.id, i.business_date, i.cycle, i.end_to_end_id, i.uetr, i.kind, i.purpose, i.direction, i.bank, i.bank_code,
  i.bank_bic, i.bank_name, i.our_account, i.outlet_id, i.institution_kind, i.institution, i.party_name, i.party_account,
  i.party_bic, i.amount_piasters, i.value_date, i.file_id, i.replaces, i.state, i.reason_code, i.reason,
  (select string_agg(r.end_to_end_id, ', ' order by r.id) from settlement_instruction r
   where r.replaces = i.end_to_end_id) as replaced_by`

const PAGE = 2_000

/** Which instructions are wanted; what is absent does not matter. */
export interface InstructionFilter {
  readonly businessDate?: CivilDate
  readonly cycle?: number
  readonly state?: InstructionState
  readonly kind?: InstructionKind
  readonly bank?: number
  readonly outletId?: number
  /** Only those behind this id of theirs, in the order of ids. */
  readonly afterId?: number
  readonly limit: number
}

/** Instructions in the order in which they were made. */
export async function listInstructions(client: Queryable, filter: InstructionFilter): Promise<Instruction[]> {
  const { businessDate, cycle, state, kind, bank, outletId, afterId, limit } = filter
  const { rows } = await client.query<Row>(
    `select ${columns} from settlement_instruction i
     where ($1::date is null or i.business_date = $1) and ($2::smallint is null or i.cycle = $2)
       and ($3::text is null or i.state = $3) and ($4::text is null or i.kind = $4)
       and ($5::integer is null or i.bank = $5) and ($6::bigint is null or i.outlet_id = $6)
       and ($7::bigint is null or i.id > $7)
     order by i.id limit $8`,
    [
      businessDate === undefined ? null : formatDate(businessDate),
      cycle ?? null,
      state ?? null,
      kind ?? null,
      bank ?? null,
      outletId ?? null,
      afterId ?? null,
      limit,
    ],
  )
  return rows.map(instructionOf)
}

/** An instruction by its EndToEndId; undefined when it is none of ours. */
export async function findInstruction(
  client: Queryable,
  endToEndId: string,
  options: { readonly lock?: boolean } = {},
): Promise<Instruction | undefined> {
  const { rows } = await client.query<Row>(
    `select ${columns} from settlement_instruction i where i.end_to_end_id = $1${options.lock === true ? ' for update of i' : ''}`,
    [endToEndId],
  )
  return rows[0] === undefined ? undefined : instructionOf(rows[0])
}

/** What happened to an instruction. */
export interface InstructionEvent {
  readonly atMs: number
  readonly state: InstructionState
  /** Who, or which message. */
  readonly source: string
  readonly reasonCode: string | undefined
  readonly reason: string | undefined
  readonly postingReference: string | undefined
  /** At the bank, signed: below zero it left our account. */
  readonly piasters: number | undefined
}

/** The history of an instruction, oldest first. */
export async function listInstructionEvents(client: Queryable, id: number): Promise<InstructionEvent[]> {
  const { rows } = await client.query<{
    at: Date
    state: InstructionState
    source: string
    reason_code: string | null
    reason: string | null
    posting_reference: string | null
    piasters: string | null
  }>(
    `select at, state, source, reason_code, reason, posting_reference, piasters from settlement_instruction_event
     where instruction_id = $1 order by id limit 1000`,
    [id],
  )
  return rows.map((row) => ({
    atMs: row.at.getTime(),
    state: row.state,
    source: row.source,
    reasonCode: row.reason_code ?? undefined,
    reason: row.reason ?? undefined,
    postingReference: row.posting_reference ?? undefined,
    piasters: row.piasters === null ? undefined : Number(row.piasters),
  }))
}

/** What goes into the file of a kind for a bank. */
export interface FileShare {
  readonly bank: number
  readonly bankCode: string
  readonly bankBic: string
  /** Ours there. */
  readonly ourAccount: string
  readonly kind: InstructionKind
  readonly instructions: number
  readonly piasters: bigint
}

/** The files that a run needs, with what is to stand in each: all that is not cancelled. */
export async function listFileShares(client: Queryable, key: RunKey): Promise<FileShare[]> {
  const { rows } = await client.query<{
    bank: number
    bank_code: string
    bank_bic: string
    our_account: string
    kind: InstructionKind
    instructions: number
    piasters: string
  }>(
    `select bank, bank_code, bank_bic, our_account, kind, count(*)::int as instructions, sum(amount_piasters) as piasters
     from settlement_instruction where business_date = $1 and cycle = $2 and state <> 'cancelled'
     group by 1, 2, 3, 4, 5 order by 2, 5`,
    keyOf(key),
  )
  return rows.map((row) => ({
    bank: row.bank,
    bankCode: row.bank_code,
    bankBic: row.bank_bic,
    ourAccount: row.our_account,
    kind: row.kind,
    instructions: row.instructions,
    piasters: BigInt(row.piasters),
  }))
}

/** The instructions of a file in the order of their EndToEndIds, a page at a time. */
export async function* streamShare(
  client: Queryable,
  key: RunKey,
  { bank, kind }: Pick<FileShare, 'bank' | 'kind'>,
): AsyncGenerator<Instruction> {
  let after = ''
  for (;;) {
    const { rows } = await client.query<Row>(
      `select ${columns} from settlement_instruction i
       where i.business_date = $1 and i.cycle = $2 and i.kind = $3 and i.bank = $4 and i.state <> 'cancelled'
         and i.end_to_end_id > $5 order by i.end_to_end_id limit ${PAGE}`,
      [...keyOf(key), kind, bank, after],
    )
    for (const row of rows) yield instructionOf(row)
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = last.end_to_end_id
  }
}

/** Says in which file the instructions of a share stand. */
export async function putIntoFile(
  client: Queryable,
  key: RunKey,
  { bank, kind }: Pick<FileShare, 'bank' | 'kind'>,
  fileId: number,
): Promise<void> {
  await client.query(
    `update settlement_instruction set file_id = $5
     where business_date = $1 and cycle = $2 and kind = $3 and bank = $4 and state <> 'cancelled'
       and file_id is distinct from $5`,
    [...keyOf(key), kind, bank, fileId],
  )
}

function instructionOf(row: Row): Instruction {
  return {
    id: Number(row.id),
    businessDate: parseDate(row.business_date),
    cycle: row.cycle,
    endToEndId: row.end_to_end_id,
    uetr: row.uetr,
    kind: row.kind,
    purpose: row.purpose,
    direction: row.direction,
    bank: row.bank,
    bankCode: row.bank_code,
    bankBic: row.bank_bic,
    bankName: row.bank_name,
    ourAccount: row.our_account,
    outletId: row.outlet_id === null ? undefined : Number(row.outlet_id),
    institutionKind: row.institution_kind ?? undefined,
    institution: row.institution === null ? undefined : Number(row.institution),
    partyName: row.party_name,
    partyAccount: row.party_account ?? undefined,
    partyBic: row.party_bic,
    amountPiasters: Number(row.amount_piasters),
    valueDate: parseDate(row.value_date),
    fileId: row.file_id === null ? undefined : Number(row.file_id),
    replaces: row.replaces ?? undefined,
    replacedBy: row.replaced_by ?? undefined,
    state: row.state,
    reasonCode: row.reason_code ?? undefined,
    reason: row.reason ?? undefined,
  }
}
