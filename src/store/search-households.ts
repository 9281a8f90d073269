import type { AccountPlace, CardKind, CardStatus, HouseholdStatus, OldRationCard } from '../card/household.ts'
import { MizanError } from '../errors.ts'
import type { Unit } from '../money.ts'
import type { Queryable } from './access-pool.ts'

/** A household as people look at it. */
export interface HouseholdDetails {
  readonly id: number
  readonly lane: number
  readonly governorate: string
  readonly classes: readonly string[]
  readonly oldRationCard: OldRationCard
  readonly accountAt: AccountPlace
  /** yyyymm. */
  readonly closedMonth: number
  /** Oldest first; dates are yyyymmdd. */
  readonly terms: readonly { readonly from: number; readonly members: number; readonly status: HouseholdStatus }[]
}

/** A card of a household, its number masked. */
export interface HouseholdCard {
  readonly id: number
  readonly kind: CardKind
  readonly pan: string
  /** YYMM. */
  readonly expiry: string
  readonly status: CardStatus
}

/** A balance of a household: of a wallet and period, or of money. */
export interface HouseholdBalance {
  readonly account: number
  readonly accountName: string
  readonly unit: Unit
  readonly period: number
  readonly posted: number
  readonly held: number
}

const CARDS_MAX = 200
const BALANCES_MAX = 1_000

/** @throws MizanError NOT_FOUND */
export async function readHousehold(client: Queryable, id: number): Promise<HouseholdDetails> {
  const { rows } = await client.query<{
    lane: number
    governorate: string
    classes: string[]
    old_ration_card: OldRationCard
    account_at: AccountPlace
    closed_month: number
    terms: { from: number; members: number; status: HouseholdStatus }[]
  }>(
    `select h.lane, h.governorate, h.classes, h.old_ration_card, h.account_at, h.closed_month,
            (select coalesce(jsonb_agg(jsonb_build_object('from', t.from_date, 'members', t.members, 'status', t.status)
                    order by t.from_date), '[]')
             from household_term t where t.lane = h.lane and t.household_id = h.id) as terms
     from lane l join household h on h.lane = l.lane and h.id = $1`,
    [id],
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no household ${id}`)
  return {
    id,
    lane: row.lane,
    governorate: row.governorate,
    classes: row.classes,
    oldRationCard: row.old_ration_card,
    accountAt: row.account_at,
    closedMonth: row.closed_month,
    terms: row.terms,
  }
}

/** The cards of a household, in order of their numbers. */
export async function cardsOfHousehold(client: Queryable, householdId: number): Promise<HouseholdCard[]> {
  const { rows } = await client.query<{
    id: string
    kind: CardKind
    pan_masked: string
    expiry: string
    status: CardStatus
  }>('select id, kind, pan_masked, expiry, status from card where household_id = $1 order by id limit $2', [
    householdId,
    CARDS_MAX,
  ])
  return rows.map((row) => ({
    id: Number(row.id),
    kind: row.kind,
    pan: row.pan_masked,
    expiry: row.expiry,
    status: row.status,
  }))
}

/** The balances of a household, money first and then by period, the newest first. */
export async function balancesOfHousehold(
  client: Queryable,
  { lane, id }: Pick<HouseholdDetails, 'lane' | 'id'>,
): Promise<HouseholdBalance[]> {
  const { rows } = await client.query<{
    account: string
    name: string
    unit: Unit
    period: number
    posted: string
    held: string
  }>(
    `select b.account, k.name, k.unit, b.period, b.posted, b.held
     from balance b join account_kind k on k.kind = b.account / 100000000000
     where b.lane = $1 and b.household_id = $2
     order by b.period = 0 desc, b.period desc, b.account limit $3`,
    [lane, id, BALANCES_MAX],
  )
  return rows.map((row) => ({
    account: Number(row.account),
    accountName: row.name,
    unit: row.unit,
    period: row.period,
    posted: Number(row.posted),
    held: Number(row.held),
  }))
}
