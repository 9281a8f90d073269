import type { CivilDate } from '../calendar.ts'
import type { PeopleDesk } from './people-desk.ts'
import { todayAt } from './people-desk.ts'

/** What the register knows of a person, without opening anything. */
export interface KnownPerson {
  readonly id: number
  /** Hex; undefined without a mobile number. */
  readonly mobileIndex: string | undefined
  /** Member of a household, today or until a day that is set. */
  readonly isMember: boolean
  /** First day on which such a member is none any more, where it is set. */
  readonly leavesOn: CivilDate | undefined
  /**
   * Never was a member, and no command that waits names the person: left behind by an enrolment that was refused. Such a
   * person holds neither a name nor a mobile number against anybody.
   */
  readonly isLoose: boolean
}

/** Who is looked up: keyed hashes of the national ID and the mobile number. */
export interface LookedUp {
  readonly idIndex: Buffer
  readonly mobile: { readonly index: Buffer } | undefined
}

/** What the register knows of some people: of each, and of who has the mobile number. */
export interface KnownPeople {
  of(person: LookedUp): KnownPerson | undefined
  /** Who has the mobile number of a person, if that is another one. */
  holderOf(person: LookedUp): KnownPerson | undefined
}

interface KnownRow {
  readonly id: string
  readonly id_index: Buffer
  readonly mobile_index: Buffer | null
  readonly is_member: boolean
  readonly leaves_on: CivilDate | null
  readonly is_loose: boolean
}

/**
 * Looks people up, and keeps them as they are until the transaction ends: of two enrolments that name the same person or
 * mobile number at once, the second sees the command of the first. Rows are locked in one order, so that none waits for the
 * other in a ring; the lock leaves the writer alone, which only refers to people.
 */
export async function lookUpPeople(desk: PeopleDesk, people: readonly LookedUp[]): Promise<KnownPeople> {
  const values = [
    people.map(({ idIndex }) => idIndex),
    people.flatMap(({ mobile }) => (mobile === undefined ? [] : [mobile.index])),
  ]
  const locked = await desk.client.query<{ id: string }>(
    `select id from person where id_index = any ($1::bytea[]) or mobile_index = any ($2::bytea[])
     order by id for no key update`,
    values,
  )
  const rows = locked.rows.length === 0 ? [] : await readKnown(desk, locked.rows)
  const byId = new Map<string, KnownPerson>()
  const byMobile = new Map<string, KnownPerson>()
  for (const row of rows) {
    const mobileIndex = row.mobile_index?.toString('hex')
    const one = {
      id: Number(row.id),
      mobileIndex,
      isMember: row.is_member,
      leavesOn: row.leaves_on ?? undefined,
      isLoose: row.is_loose,
    }
    byId.set(row.id_index.toString('hex'), one)
    if (mobileIndex !== undefined) byMobile.set(mobileIndex, one)
  }
  const of = ({ idIndex }: LookedUp) => byId.get(idIndex.toString('hex'))
  return {
    of,
    holderOf: (person) => {
      const holder = byMobile.get(person.mobile?.index.toString('hex') ?? '')
      return holder?.id === of(person)?.id ? undefined : holder
    },
  }
}

/** Whether person `p` is loose (see {@link KnownPerson}), in SQL. */
export const IS_LOOSE = `case when exists (select from household_member m where m.person_id = p.id) then false
                 else not exists (
                   select from command_inbox c where c.done_id is null
                     and (c.detail @> jsonb_build_object('person', p.id)
                          or c.detail @> jsonb_build_object('members', jsonb_build_array(jsonb_build_object('person', p.id)))))
            end`

/** In a statement of its own: one that waits for a lock still sees the other tables as they were before it. */
async function readKnown(desk: PeopleDesk, locked: readonly { readonly id: string }[]): Promise<KnownRow[]> {
  const { rows } = await desk.client.query<KnownRow>(
    `select p.id, p.id_index, p.mobile_index,
            exists (select from household_member m
                    where m.person_id = p.id and (m.to_date is null or m.to_date > $2)) as is_member,
            (select max(m.to_date) from household_member m
              where m.person_id = p.id having count(*) = count(m.to_date)) as leaves_on,
            ${IS_LOOSE} as is_loose
     from person p where p.id = any ($1::bigint[])`,
    [locked.map(({ id }) => id), todayAt(desk)],
  )
  return rows
}

/**
 * Words for a person who cannot be entered as a member: nothing of it repeats what was given.
 * @param from day from which the person would be one: whoever leaves a household by then can be; absent = today
 */
export function faultsOfKnown(known: KnownPeople, person: LookedUp, from?: CivilDate): string[] {
  const found = known.of(person)
  // Of a member the mobile number is no question: nobody is one twice.
  const isGone = from !== undefined && found?.leavesOn !== undefined && found.leavesOn <= from
  if (found?.isMember === true && !isGone) return ['nationalId: this person is a member of a household already']
  const faults: string[] = []
  const holder = known.holderOf(person)
  if (holder !== undefined && !holder.isLoose) faults.push('mobile: the number is registered for another person')
  if (found !== undefined && hasAnother(found, person)) {
    faults.push(`mobile: person ${found.id} is known with another number: change it first`)
  }
  return faults
}

/** Whether a person has a mobile number that stays, and it is not the one that is given. */
export function hasAnother({ isLoose, mobileIndex }: KnownPerson, { mobile }: LookedUp): boolean {
  return !isLoose && mobile !== undefined && mobileIndex !== undefined && mobileIndex !== mobile.index.toString('hex')
}
