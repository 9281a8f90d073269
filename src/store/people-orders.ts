import type { CivilDate } from '../calendar.ts'
import type { ActivationPolicy, DatedPolicy } from '../card/activation.ts'
import { policyFor } from '../card/activation.ts'
import type { IssuanceState, OrderReason } from '../card/issuance.ts'
import { type ReplacementTerms, replacementTermsOn } from '../card/replacement.ts'
import { type Holiday, type WorkingCalendar, workingCalendar } from '../card/working-days.ts'
import { MizanError } from '../errors.ts'
import type { PeopleDesk } from './people-desk.ts'

/** Where people collect their cards. */
export interface CollectionPlace {
  readonly id: string
  readonly kind: 'post' | 'supply' | 'health'
  readonly governorate: string
  readonly name: string
  readonly address: string
  readonly hours: string
}

/** The issue of a card. Dates are yyyymmdd. */
export interface CardOrder {
  readonly id: number
  readonly lane: number
  readonly householdId: number
  readonly governorate: string
  readonly reason: OrderReason
  readonly state: IssuanceState
  readonly feePiasters: number
  readonly feePaid: 'none' | 'postal' | 'cash' | 'refunded'
  readonly oldCardId: number | undefined
  readonly cardId: number | undefined
  /** Last four digits of the card, once it is printed. */
  readonly lastFour: string | undefined
  readonly place: CollectionPlace | undefined
  readonly openedOn: CivilDate
  /** Last day on which a replacement is printed in time. */
  readonly dueOn: CivilDate | undefined
  readonly noticeOn: CivilDate | undefined
  readonly collectBy: CivilDate | undefined
  readonly extended: boolean
}

/** A step that an order took. */
export interface OrderStep {
  readonly step: number
  readonly atMs: number
  readonly state: IssuanceState
  readonly actor: string
  readonly note: string
}

interface OrderRow {
  readonly id: string
  readonly lane: number
  readonly household_id: string
  readonly governorate: string
  readonly reason: OrderReason
  readonly state: IssuanceState
  readonly fee_piasters: string
  readonly fee_paid: CardOrder['feePaid']
  readonly old_card_id: string | null
  readonly card_id: string | null
  readonly pan_masked: string | null
  readonly place: CollectionPlace | null
  readonly opened_on: number
  readonly due_on: number | null
  readonly notice_on: number | null
  readonly collect_by: number | null
  readonly extended: boolean
}

const orderSelect = `
  select o.id, o.lane, o.household_id, h.governorate, o.reason, o.state, o.fee_piasters, o.fee_paid, o.old_card_id, o.card_id,
         c.pan_masked, o.opened_on, o.due_on, o.notice_on, o.collect_by, o.extended,
         case when p.id is not null then jsonb_build_object('id', p.id, 'kind', p.kind, 'governorate', p.governorate,
           'name', p.name, 'address', p.address, 'hours', p.hours) end as place
  from card_order o
  join household h on h.lane = o.lane and h.id = o.household_id
  left join card c on c.lane = o.lane and c.id = o.card_id
  left join collection_place p on p.id = o.place_id`

type Reader = Pick<PeopleDesk, 'client'>

/** One order. @throws MizanError NOT_FOUND */
export async function readOrder({ client }: Reader, id: number): Promise<CardOrder> {
  const { rows } = await client.query<OrderRow>(`${orderSelect} where o.id = $1`, [id])
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no order ${id}`)
  return orderOf(row)
}

/** The orders of a household, the newest first. */
export async function ordersOfHousehold({ client }: Reader, householdId: number): Promise<CardOrder[]> {
  const { rows } = await client.query<OrderRow>(
    `${orderSelect} where o.household_id = $1 order by o.id desc limit 50`,
    [householdId],
  )
  return rows.map(orderOf)
}

/** The steps of an order, the first one first. */
export async function stepsOfOrder({ client }: Reader, id: number): Promise<OrderStep[]> {
  const { rows } = await client.query<{ step: number; at: Date; state: IssuanceState; actor: string; note: string }>(
    'select step, at, state, actor, note from card_order_event where order_id = $1 order by step',
    [id],
  )
  return rows.map(({ step, at, state, actor, note }) => ({ step, atMs: at.getTime(), state, actor, note }))
}

/**
 * Replacements that are not printed though their last day is past, the latest first: what was promised and not kept
 * (RU-8).
 * @param today only orders due before it
 */
export async function lateReplacements({ client }: Reader, today: CivilDate, limit = 1_000): Promise<CardOrder[]> {
  const { rows } = await client.query<OrderRow>(
    `${orderSelect} where o.state = 'ordered' and o.due_on < $1 order by o.due_on, o.id limit $2`,
    [today, limit],
  )
  return rows.map(orderOf)
}

/** Orders whose time to collect is over, in order of their numbers. */
export async function uncollectedOrders(
  { client }: Reader,
  today: CivilDate,
  afterId: number,
  limit: number,
): Promise<CardOrder[]> {
  const { rows } = await client.query<OrderRow>(
    `${orderSelect} where o.state = 'ready' and o.collect_by < $1 and o.id > $2 order by o.id limit $3`,
    [today, afterId, limit],
  )
  return rows.map(orderOf)
}

function orderOf(row: OrderRow): CardOrder {
  return {
    id: Number(row.id),
    lane: row.lane,
    householdId: Number(row.household_id),
    governorate: row.governorate,
    reason: row.reason,
    state: row.state,
    feePiasters: Number(row.fee_piasters),
    feePaid: row.fee_paid,
    oldCardId: row.old_card_id === null ? undefined : Number(row.old_card_id),
    cardId: row.card_id === null ? undefined : Number(row.card_id),
    lastFour: row.pan_masked?.slice(-4),
    place: row.place ?? undefined,
    openedOn: row.opened_on as CivilDate,
    dueOn: (row.due_on ?? undefined) as CivilDate | undefined,
    noticeOn: (row.notice_on ?? undefined) as CivilDate | undefined,
    collectBy: (row.collect_by ?? undefined) as CivilDate | undefined,
    extended: row.extended,
  }
}

/** A place to collect cards that is open. @throws MizanError NOT_FOUND */
export async function readPlace({ client }: Reader, id: string): Promise<CollectionPlace> {
  const { rows } = await client.query<CollectionPlace>(
    'select id, kind, governorate, name, address, hours from collection_place where id = $1 and closed_at is null',
    [id],
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', 'there is no such place to collect cards')
  return row
}

/** When a card of a governorate that is collected on a date becomes active. */
export async function activationPolicyOf(
  { client }: Reader,
  governorate: string,
  date: CivilDate,
): Promise<ActivationPolicy> {
  const { rows } = await client.query<{
    governorate: string | null
    from_date: number
    moment: ActivationPolicy['when']
    on_date: number | null
  }>(
    'select governorate, from_date, moment, on_date from activation_policy where governorate is null or governorate = $1',
    [governorate],
  )
  const policies: DatedPolicy[] = rows.map((row) => ({
    governorate: row.governorate ?? undefined,
    from: row.from_date as CivilDate,
    policy:
      row.moment === 'on-date' ? { when: 'on-date', date: Number(row.on_date) as CivilDate } : { when: row.moment },
  }))
  return policyFor(policies, governorate, date)
}

/** What a replacement costs on a date. @throws MizanError NOT_FOUND before the first terms */
export async function replacementTerms({ client }: Reader, date: CivilDate): Promise<ReplacementTerms> {
  const { rows } = await client.query<{ from_date: number; fee_piasters: string; working_days: number }>(
    'select from_date, fee_piasters, working_days from replacement_terms',
  )
  const terms = rows.map((row) => ({
    from: row.from_date as CivilDate,
    feePiasters: Number(row.fee_piasters),
    workingDays: row.working_days,
  }))
  const found = replacementTermsOn(terms, date)
  if (found === undefined) throw new MizanError('NOT_FOUND', 'there are no terms for replacements on this date')
  return found
}

/** Working days as they are known on a date: those on which only banks are closed are worked on. */
export async function calendarAsOf({ client }: Reader, date: CivilDate): Promise<WorkingCalendar> {
  const { rows } = await client.query<{
    date: number
    name: string
    announced_on: number
    withdrawn_on: number | null
  }>('select date, name, announced_on, withdrawn_on from holiday where not bank_only')
  const holidays: Holiday[] = rows.map((row) => ({
    date: row.date as CivilDate,
    name: row.name,
    announcedOn: row.announced_on as CivilDate,
    withdrawnOn: (row.withdrawn_on ?? undefined) as CivilDate | undefined,
  }))
  return workingCalendar(holidays, date)
}
