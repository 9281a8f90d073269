import { type CivilDate, formatDate } from '../../calendar.ts'
import type { Client } from '../connection.ts'

/** A file that the items of a date are taken for. */
export interface DraftFile {
  /** That it will have in the register. */
  readonly id: number
  readonly type: 'CTF' | 'SUB' | 'OUT'
  readonly institution: string
}

/** What the items of a date depend on beside the ledger and the outlets. */
export interface DraftPlan {
  readonly processingBin: string
  /** Links that ever were the card scheme's, sorted. */
  readonly rails: readonly string[]
}

/** Items of a date that are being taken: how far that is. */
export interface Draft {
  readonly plan: DraftPlan
  readonly files: readonly DraftFile[]
  /** Authorizations up to this number are taken; undefined before the first. */
  readonly takenTo: string | undefined
  readonly networkItems: number
  readonly networkPiasters: bigint
  readonly subsidyItems: number
}

/** Where the items of a date stand, while they are taken and later. */
export function itemTable(date: CivilDate): string {
  return `clearing_item_${date}`
}

/** The items of a date that are being taken; undefined when none are, or they are for another plan. */
export async function readDraft(client: Client, date: CivilDate, plan: DraftPlan): Promise<Draft | undefined> {
  const { rows } = await client.query<{
    files: DraftFile[]
    taken_to: string | null
    network_items: string
    network_piasters: string
    subsidy_items: string
  }>(
    `select files, taken_to, network_items, network_piasters, subsidy_items from clearing_draft
     where business_date = $1 and plan = $2::jsonb`,
    [formatDate(date), JSON.stringify(plan)],
  )
  const [row] = rows
  if (row === undefined) return undefined
  return {
    plan,
    files: row.files,
    takenTo: row.taken_to ?? undefined,
    networkItems: Number(row.network_items),
    networkPiasters: BigInt(row.network_piasters),
    subsidyItems: Number(row.subsidy_items),
  }
}

/** Begins to take the items of a date, in the caller's transaction; what was taken of them for another plan goes. */
export async function beginDraft(
  client: Client,
  date: CivilDate,
  plan: DraftPlan,
  files: readonly Omit<DraftFile, 'id'>[],
): Promise<void> {
  await client.query('select begin_clearing_items($1, $2::jsonb, $3::jsonb)', [
    formatDate(date),
    JSON.stringify(plan),
    JSON.stringify(files),
  ])
}

/** Notes how far the items of a date are taken, in the transaction of the part that took them. */
export async function notePart(
  client: Client,
  date: CivilDate,
  { takenTo, networkItems, networkPiasters, subsidyItems }: Omit<Draft, 'plan' | 'files'>,
): Promise<void> {
  await client.query(
    `update clearing_draft set taken_to = $2, network_items = $3, network_piasters = $4, subsidy_items = $5
     where business_date = $1`,
    [formatDate(date), takenTo, networkItems, String(networkPiasters), subsidyItems],
  )
}
