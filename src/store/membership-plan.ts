import type { MembershipEvent } from '../card/membership.ts'
import { byteaArray, int8Array, textArray } from './binary-arrays.ts'
import type { MembershipLine } from './membership-line.ts'
import { type PeopleDesk, todayAt } from './people-desk.ts'

/** What is to become of a line. */
export type Plan =
  | { readonly kind: 'change'; readonly governorate: string; readonly detail: Readonly<Record<string, unknown>> }
  /** A person who is not known yet, or known and named, is added: entered first. */
  | { readonly kind: 'add-new'; readonly governorate: string; readonly detail: Readonly<Record<string, unknown>> }
  /** Another file has brought the same change. */
  | { readonly kind: 'repeated' }
  | { readonly kind: 'rejected'; readonly field: string; readonly reason: string }

/** Command that carries an event out. */
export const commandOfEvent: Readonly<Record<MembershipEvent, string>> = {
  added: 'person-add',
  removed: 'person-remove',
  'head-changed': 'person-head',
  suspended: 'household-terms',
  reinstated: 'household-terms',
}

interface KnownHousehold {
  readonly governorate: string
  /** Of its last term. */
  readonly members: number
  /** Of those how many are known as people. */
  readonly registered: number
}

interface KnownPerson {
  readonly id: number
  readonly householdId: number | undefined
  readonly role: string | undefined
}

/** What the database knows of the lines of a chunk. */
interface Known {
  readonly households: ReadonlyMap<number, KnownHousehold>
  /** By keyed hash of the national ID, latin1. */
  readonly people: ReadonlyMap<string, KnownPerson>
  /** By `household key`. */
  readonly members: ReadonlyMap<string, KnownPerson>
  /** Line keys, hex, of changes that were made. */
  readonly made: ReadonlySet<string>
}

/** Where lines come from, as each change keeps it. */
export type SourceOf = (line: MembershipLine) => string

/**
 * Finds out what is to become of lines, each of another household, with a few queries for all of them.
 * @param sourceOf stays with the change
 */
export async function planLines(
  desk: PeopleDesk,
  lines: readonly MembershipLine[],
  sourceOf: SourceOf,
): Promise<Plan[]> {
  const keys = lines.map((line) => lineKeyOf(desk, line))
  const known = await readKnown(desk, lines, keys)
  return lines.map((line, at) => planOf(desk, line, keys[at] ?? '', known, sourceOf))
}

/** Hash of what a line does, whatever file it is in; 32 hex digits. */
function lineKeyOf({ personal }: PeopleDesk, line: MembershipLine): string {
  const who = line.nationalId ?? line.memberKey ?? ''
  return personal.indexOf('line', [line.householdId, line.event, who, line.effective].join('|')).toString('hex')
}

function planOf(
  { personal }: PeopleDesk,
  line: MembershipLine,
  lineKey: string,
  known: Known,
  sourceOf: SourceOf,
): Plan {
  const rejected = (field: string, reason: string): Plan => ({ kind: 'rejected', field, reason })
  if (known.made.has(lineKey)) return { kind: 'repeated' }
  const household = known.households.get(line.householdId)
  if (household === undefined) return rejected('household', 'there is no such household')
  const { governorate } = household
  const { event, effective, reasonCode, reason, memberKey } = line
  const detail = { effective, reasonCode, reason, source: sourceOf(line), lineKey }
  if (event === 'suspended' || event === 'reinstated')
    return { kind: 'change', governorate, detail: { ...detail, event } }
  const index = line.nationalId === undefined ? undefined : personal.indexOf('national-id', line.nationalId)
  const person =
    index === undefined
      ? known.members.get(`${line.householdId} ${memberKey}`)
      : known.people.get(index.toString('latin1'))
  if (event === 'added') {
    if (person?.householdId === line.householdId) return rejected('nationalId', 'is a member of this household already')
    if (person?.householdId !== undefined) return rejected('nationalId', 'is a member of another household')
    // Who was left behind by an enrolment that was refused gets the name that is given here.
    if (person !== undefined && line.name === undefined)
      return { kind: 'change', governorate, detail: { ...detail, person: person.id, memberKey } }
    if (person === undefined && line.name === undefined)
      return rejected('name', 'a person who is not known yet needs a name')
    return { kind: 'add-new', governorate, detail: { ...detail, memberKey } }
  }
  if (person !== undefined && person.householdId === line.householdId) {
    if (person.role === 'head') {
      const why = event === 'removed' ? 'is the head: change the head first' : 'is the head already'
      return rejected('nationalId', why)
    }
    return { kind: 'change', governorate, detail: { ...detail, person: person.id } }
  }
  // Loaded with a number of members whom nobody has named: one of those may leave.
  const isUnnamed = person?.householdId === undefined && household.registered < household.members
  if (event === 'removed' && isUnnamed) return { kind: 'change', governorate, detail }
  return rejected('nationalId', 'is no member of this household')
}

async function readKnown(desk: PeopleDesk, lines: readonly MembershipLine[], keys: readonly string[]): Promise<Known> {
  const { client, personal } = desk
  const ids = int8Array([...new Set(lines.map(({ householdId }) => householdId))])
  const households = await client.query<{ id: string; governorate: string; members: number; registered: number }>(
    `select h.id, h.governorate,
            (select t.members from household_term t where t.lane = h.lane and t.household_id = h.id
               order by t.from_date desc limit 1) as members,
            (select count(*)::integer from household_member m where m.household_id = h.id and m.to_date is null) as registered
     from installation i cross join unnest($1::bigint[]) u(id)
     join household h on h.lane = (u.id % i.lane_count)::smallint and h.id = u.id`,
    [ids],
  )
  const indexes = lines.flatMap(({ nationalId }) =>
    nationalId === undefined ? [] : [personal.indexOf('national-id', nationalId).toString('latin1')],
  )
  const people = await client.query<{
    id: string
    id_index: Buffer
    household_id: string | null
    role: string | null
  }>(
    `select p.id, p.id_index, m.household_id, m.role from unnest($1::bytea[]) u(id_index)
     join person p on p.id_index = u.id_index
     left join household_member m on m.person_id = p.id and (m.to_date is null or m.to_date > $2)`,
    [byteaArray(indexes), todayAt(desk)],
  )
  const named = lines.flatMap((line) =>
    line.memberKey === undefined || line.nationalId !== undefined
      ? []
      : [{ id: line.householdId, key: line.memberKey }],
  )
  const members = await client.query<{ household_id: string; member_key: string; person_id: string; role: string }>(
    `select m.household_id, m.member_key, m.person_id, m.role
     from unnest($1::bigint[], $2::text[]) u(household_id, member_key)
     join household_member m on m.household_id = u.household_id and m.member_key = u.member_key and m.to_date is null`,
    [int8Array(named.map(({ id }) => id)), textArray(named.map(({ key }) => key))],
  )
  const made = await client.query<{ line_key: Buffer }>(
    'select line_key from household_event where line_key = any ($1::bytea[])',
    [byteaArray(keys.map((key) => Buffer.from(key, 'hex').toString('latin1')))],
  )
  return {
    households: new Map(households.rows.map((row) => [Number(row.id), row])),
    people: new Map(
      people.rows.map((row) => [row.id_index.toString('latin1'), personOf(row.id, row.household_id, row.role)]),
    ),
    members: new Map(
      members.rows.map((row) => [
        `${row.household_id} ${row.member_key}`,
        personOf(row.person_id, row.household_id, row.role),
      ]),
    ),
    made: new Set(made.rows.map((row) => row.line_key.toString('hex'))),
  }
}

function personOf(id: string, householdId: string | null, role: string | null): KnownPerson {
  const household = householdId === null ? undefined : Number(householdId)
  return { id: Number(id), householdId: household, role: role ?? undefined }
}
