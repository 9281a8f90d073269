import { maskMobile, readMobileNumber } from '../card/mobile-number.ts'
import { readNationalId } from '../card/national-id.ts'
import { MizanError } from '../errors.ts'
import { type PeopleDesk, todayAt } from './people-desk.ts'
import { readPerson } from './people-register.ts'

/** A member of a household, as people at a counter see them. */
export interface Member {
  readonly personId: number
  readonly role: 'head' | 'member'
  /** Dates are yyyymmdd. */
  readonly from: number
  /** First day on which the person is no member any more. */
  readonly to: number | undefined
  readonly birthDate: number
  readonly sex: 'male' | 'female'
  readonly memberKey: string | undefined
  readonly name: string
  /** All but the last four digits hidden. */
  readonly nationalId: string
  /** All but the last three digits hidden. */
  readonly mobile: string | undefined
  /** Fingerprints that are enrolled. */
  readonly fingerprints: number
}

/** Something that happened to the people of a household. */
export interface HouseholdEvent {
  readonly atMs: number
  readonly event: string
  readonly effective: number
  readonly countsFrom: number
  readonly personId: number | undefined
  readonly reasonCode: string
  readonly reason: string
  readonly actor: string
  readonly source: string
}

/** The postal account of a household, masked. */
export interface PostalLink {
  readonly kind: 'new' | 'existing'
  readonly reference: string
  readonly linkedAtMs: number
}

/** A telephone that has a token of a household. */
export interface Device {
  readonly cardId: number
  readonly device: string
  readonly addedAtMs: number
  readonly removedAtMs: number | undefined
}

/**
 * The members of a household, the head first. Whoever calls notes in the audit who looked.
 * @param past those too who are members no more
 */
export async function readMembers(desk: PeopleDesk, householdId: number, past = false): Promise<Member[]> {
  const { rows } = await desk.client.query<{
    person_id: string
    role: Member['role']
    from_date: number
    to_date: number | null
    member_key: string | null
    fingerprints: number
  }>(
    `select m.person_id, m.role, m.from_date, m.to_date, m.member_key,
            (select count(*)::integer from fingerprint f where f.person_id = m.person_id and f.revoked_at is null) as fingerprints
     from household_member m
     where m.household_id = $1 and ($2 or m.to_date is null or m.to_date > $3)
     order by m.role = 'member', m.from_date, m.person_id limit 200`,
    [householdId, past, todayAt(desk)],
  )
  const members: Member[] = []
  for (const row of rows) {
    const person = await readPerson(desk, Number(row.person_id))
    members.push({
      personId: person.id,
      role: row.role,
      from: row.from_date,
      to: row.to_date ?? undefined,
      birthDate: person.birthDate,
      sex: person.sex,
      memberKey: row.member_key ?? undefined,
      name: person.name,
      nationalId: `${'*'.repeat(10)}${person.nationalId.slice(-4)}`,
      mobile: person.mobile === undefined ? undefined : maskMobile(person.mobile),
      fingerprints: row.fingerprints,
    })
  }
  return members
}

/** What happened to the people of a household, the newest first. */
export async function readHouseholdEvents(
  { client }: Pick<PeopleDesk, 'client'>,
  householdId: number,
  limit = 50,
): Promise<HouseholdEvent[]> {
  const { rows } = await client.query<{
    at: Date
    event: string
    effective: number
    counts_from: number
    person_id: string | null
    reason_code: string
    reason: string
    actor: string
    source: string
  }>(
    `select at, event, effective, counts_from, person_id, reason_code, reason, actor, source from household_event
     where household_id = $1 order by id desc limit $2`,
    [householdId, limit],
  )
  return rows.map((row) => ({
    atMs: row.at.getTime(),
    event: row.event,
    effective: row.effective,
    countsFrom: row.counts_from,
    personId: row.person_id === null ? undefined : Number(row.person_id),
    reasonCode: row.reason_code,
    reason: row.reason,
    actor: row.actor,
    source: row.source,
  }))
}

/** The postal account of a household; undefined when none is linked. */
export async function readPostalLink(
  { client }: Pick<PeopleDesk, 'client'>,
  householdId: number,
): Promise<PostalLink | undefined> {
  const { rows } = await client.query<{ kind: PostalLink['kind']; reference_masked: string; linked_at: Date }>(
    'select kind, reference_masked, linked_at from postal_link where household_id = $1 and unlinked_at is null',
    [householdId],
  )
  const [row] = rows
  if (row === undefined) return undefined
  return { kind: row.kind, reference: row.reference_masked, linkedAtMs: row.linked_at.getTime() }
}

/** The telephones of a household, those removed too. */
export async function readDevices({ client }: Pick<PeopleDesk, 'client'>, householdId: number): Promise<Device[]> {
  const { rows } = await client.query<{ card_id: string; device_ref: string; added_at: Date; removed_at: Date | null }>(
    'select card_id, device_ref, added_at, removed_at from device_token where household_id = $1 order by added_at limit 100',
    [householdId],
  )
  return rows.map((row) => ({
    cardId: Number(row.card_id),
    device: row.device_ref,
    addedAtMs: row.added_at.getTime(),
    removedAtMs: row.removed_at?.getTime(),
  }))
}

/** By what a person is looked for at a counter or the hotline, who has neither a card nor its number: one of them. */
export interface Wanted {
  readonly nationalId?: string | undefined
  readonly mobile?: string | undefined
}

/** A household that a person belongs to, or belonged to. */
export interface FoundMember {
  readonly householdId: number
  readonly personId: number
  readonly role: Member['role']
  readonly from: number
  readonly to: number | undefined
}

const FOUND_MAX = 20

/**
 * Finds the households of a person, the one of today first; none when nobody has that number. Whoever calls notes in
 * the audit who looked, also in vain, and then asks `requireFound`.
 * @throws MizanError BAD_INPUT; the words never repeat what was given
 */
export async function findMember(desk: PeopleDesk, wanted: Wanted): Promise<FoundMember[]> {
  const { column, index } = wantedIndex(desk, wanted)
  const { rows } = await desk.client.query<{
    household_id: string
    person_id: string
    role: Member['role']
    from_date: number
    to_date: number | null
  }>(
    `select m.household_id, m.person_id, m.role, m.from_date, m.to_date
     from person p join household_member m on m.person_id = p.id
     where p.${column} = $1 order by m.to_date desc nulls first, m.from_date desc limit $2`,
    [index, FOUND_MAX],
  )
  return rows.map((row) => ({
    householdId: Number(row.household_id),
    personId: Number(row.person_id),
    role: row.role,
    from: row.from_date,
    to: row.to_date ?? undefined,
  }))
}

/** Says that nobody was found. @throws MizanError NOT_FOUND; the words never repeat what was given */
export function requireFound(found: readonly FoundMember[]): void {
  if (found.length === 0) throw new MizanError('NOT_FOUND', 'nobody with it is or was a member of a household')
}

function wantedIndex(desk: PeopleDesk, { nationalId, mobile: given }: Wanted) {
  if ((nationalId === undefined) === (given === undefined)) {
    throw new MizanError('BAD_INPUT', 'give a national ID or a mobile number, one of them')
  }
  if (nationalId !== undefined) {
    const { id, fault } = readNationalId(nationalId, { today: todayAt(desk) })
    if (id === undefined) throw new MizanError('BAD_INPUT', `nationalId: ${fault}`)
    return { column: 'id_index', index: desk.personal.indexOf('national-id', id.digits) }
  }
  const { mobile, fault } = readMobileNumber(given ?? '')
  if (mobile === undefined) throw new MizanError('BAD_INPUT', `mobile: ${fault}`)
  return { column: 'mobile_index', index: desk.personal.indexOf('mobile', mobile.number) }
}
