import type { CivilDate } from '../calendar.ts'
import { activationMoments } from '../card/activation.ts'
import { isGovernorate } from '../card/governorates.ts'
import { MizanError } from '../errors.ts'
import { dateFrom, type PeopleActor, type PeopleDesk, todayAt } from './people-desk.ts'
import type { CollectionPlace } from './people-orders.ts'

/** Adds a place to collect cards, or changes it. @throws MizanError BAD_INPUT */
export async function savePlace({ client }: PeopleDesk, place: CollectionPlace, actor: PeopleActor): Promise<void> {
  const { id, kind, governorate, name, address, hours } = place
  const faults: string[] = []
  if (!/^[a-z0-9][a-z0-9-]{1,31}$/.test(id)) faults.push('id: 2 to 32 small letters, digits and hyphens')
  if (!['post', 'supply', 'health'].includes(kind)) faults.push('kind: post, supply or health')
  if (!isGovernorate(governorate)) faults.push('governorate: its code, such as PTS')
  if (name === '' || name.length > 100) faults.push('name: up to 100 characters')
  if (address === '' || address.length > 200) faults.push('address: up to 200 characters')
  if (hours === '' || hours.length > 60) faults.push('hours: up to 60 characters')
  if (faults.length > 0) throw new MizanError('BAD_INPUT', faults.join('; '))
  await client.query(
    `insert into collection_place (id, kind, governorate, name, address, hours, changed_by) values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (id) do update set kind = excluded.kind, governorate = excluded.governorate, name = excluded.name,
       address = excluded.address, hours = excluded.hours, changed_by = excluded.changed_by, changed_at = now(), closed_at = null`,
    [id, kind, governorate, name, address, hours, actor.name],
  )
}

/** Closes a place: no more cards are sent there. @throws MizanError NOT_FOUND */
export async function closePlace({ client }: PeopleDesk, id: string, actor: PeopleActor): Promise<void> {
  const { rowCount } = await client.query(
    'update collection_place set closed_at = now(), changed_at = now(), changed_by = $2 where id = $1 and closed_at is null',
    [id, actor.name],
  )
  if (rowCount === 0) throw new MizanError('NOT_FOUND', 'there is no such place to collect cards')
}

/** The places that are open, of one governorate or of all. */
export async function listPlaces({ client }: PeopleDesk, governorate?: string): Promise<CollectionPlace[]> {
  const { rows } = await client.query<CollectionPlace>(
    `select id, kind, governorate, name, address, hours from collection_place
     where closed_at is null and ($1::text is null or governorate = $1) order by id limit 10000`,
    [governorate ?? null],
  )
  return rows
}

/** A holiday that is announced. */
export interface NewHoliday {
  /** yyyy-mm-dd. */
  readonly date: string
  readonly name: string
  /** Only banks are closed. @default false */
  readonly bankOnly?: boolean
}

/** Announces a holiday, known from today on. Announced again, it stays as it was. @throws MizanError BAD_INPUT */
export async function announceHoliday(
  desk: PeopleDesk,
  { date, name, bankOnly = false }: NewHoliday,
  actor: PeopleActor,
): Promise<void> {
  if (name === '' || name.length > 100) throw new MizanError('BAD_INPUT', 'name: up to 100 characters')
  await desk.client.query(
    `insert into holiday (date, name, announced_on, noted_by, bank_only)
     select $1, $2, $3, $4, $5
     where not exists (select from holiday where date = $1 and withdrawn_on is null and bank_only = $5)
     on conflict do nothing`,
    [dateFrom(date, 'date'), name, todayAt(desk), actor.name, bankOnly],
  )
}

/** Says that a day is no holiday after all, known from today on. @throws MizanError NOT_FOUND, BAD_INPUT */
export async function withdrawHoliday(desk: PeopleDesk, date: string, actor: PeopleActor): Promise<void> {
  const { rowCount } = await desk.client.query(
    `update holiday set withdrawn_on = $2, withdrawn_by = $3
     where date = $1 and withdrawn_on is null and announced_on < $2`,
    [dateFrom(date, 'date'), todayAt(desk), actor.name],
  )
  if (rowCount === 0) throw new MizanError('NOT_FOUND', 'no holiday on this date was announced before today')
}

/** A holiday as it is known; dates are yyyymmdd. */
export interface ListedHoliday {
  readonly date: number
  readonly name: string
  readonly announcedOn: number
  readonly bankOnly: boolean
}

/** The holidays that are known and not withdrawn, from a date on. */
export async function listHolidays({ client }: Pick<PeopleDesk, 'client'>, from: CivilDate): Promise<ListedHoliday[]> {
  const { rows } = await client.query<ListedHoliday>(
    `select date, name, announced_on as "announcedOn", bank_only as "bankOnly" from holiday
     where date >= $1 and withdrawn_on is null order by date limit 1000`,
    [from],
  )
  return rows
}

/** When collected cards become active, from a date on. */
export interface PolicyInput {
  /** Absent = all that have no rule of their own. */
  readonly governorate?: string
  /** yyyy-mm-dd. */
  readonly from: string
  readonly moment: (typeof activationMoments)[number]
  /** yyyy-mm-dd, for `on-date`. */
  readonly onDate?: string
}

/** Sets when collected cards become active. A date once set is not set again. @throws MizanError BAD_INPUT */
export async function setActivationPolicy(
  { client }: PeopleDesk,
  input: PolicyInput,
  actor: PeopleActor,
): Promise<void> {
  const { governorate, moment, onDate } = input
  if (governorate !== undefined && !isGovernorate(governorate)) {
    throw new MizanError('BAD_INPUT', 'governorate: its code, such as PTS')
  }
  if (!activationMoments.includes(moment)) throw new MizanError('BAD_INPUT', `moment: ${activationMoments.join(', ')}`)
  if ((moment === 'on-date') !== (onDate !== undefined)) {
    throw new MizanError('BAD_INPUT', 'onDate belongs to on-date, and to nothing else')
  }
  const { rowCount } = await client.query(
    `insert into activation_policy (governorate, from_date, moment, on_date, set_by) values ($1, $2, $3, $4, $5)
     on conflict do nothing`,
    [
      governorate ?? null,
      dateFrom(input.from, 'from'),
      moment,
      onDate === undefined ? null : dateFrom(onDate, 'onDate'),
      actor.name,
    ],
  )
  if (rowCount === 0) throw new MizanError('BAD_INPUT', 'there is a rule from this date already: choose another date')
}

/** Sets what a replacement costs and how fast it is made, from a date after today. @throws MizanError BAD_INPUT */
export async function setReplacementTerms(
  desk: PeopleDesk,
  {
    from,
    feePiasters,
    workingDays,
  }: { readonly from: string; readonly feePiasters: number; readonly workingDays: number },
  actor: PeopleActor,
): Promise<void> {
  const date = dateFrom(from, 'from')
  if (date <= todayAt(desk)) throw new MizanError('BAD_INPUT', 'from: a day after today')
  if (!Number.isInteger(feePiasters) || feePiasters < 0 || feePiasters > 10_000_000) {
    throw new MizanError('BAD_INPUT', 'feePiasters: whole piasters, 0 to 10000000')
  }
  if (!Number.isInteger(workingDays) || workingDays < 1 || workingDays > 250) {
    throw new MizanError('BAD_INPUT', 'workingDays: 1 to 250')
  }
  const { rowCount } = await desk.client.query(
    `insert into replacement_terms (from_date, fee_piasters, working_days, set_by) values ($1, $2, $3, $4)
     on conflict do nothing`,
    [date, feePiasters, workingDays, actor.name],
  )
  if (rowCount === 0) throw new MizanError('BAD_INPUT', 'there are terms from this date already: choose another date')
}
