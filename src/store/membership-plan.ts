import type { CivilDate } from '../calendar.ts'
import type { HouseholdTerm } from '../card/household.ts'
import { changeTerms, type MembershipEvent, type TermChange, termStart, termsAfterLast } from '../card/membership.ts'
import { byteaArray, int8Array, textArray } from './binary-arrays.ts'
import type { MembershipForecast } from './membership-forecast.ts'
import type { MembershipLine } from './membership-line.ts'
import { type PeopleDesk, todayAt } from './people-desk.ts'

/** What is to become of a line. */
export type Plan =
  | ({ readonly kind: 'change' } & PlannedChange)
  /** A person who is not known yet, or known and named, is added: entered first. */
  | ({ readonly kind: 'add-new' } & PlannedChange)
  /** Another file has brought the same change. */
  | { readonly kind: 'repeated' }
  | { readonly kind: 'rejected'; readonly field: string; readonly reason: string }

interface PlannedChange {
  readonly governorate: string
  readonly detail: Readonly<Record<string, unknown>>
  /** Of the household, as they are after it. */
  readonly terms: readonly HouseholdTerm[]
  /** Day from which it counts. */
  readonly from: CivilDate
  /** Whom it is about, where that is somebody known. */
  readonly personId: number | undefined
}

/** Command that carries an event out. */
export const commandOfEvent: Readonly<Record<MembershipEvent, string>> = {
  added: 'person-add',
  removed: 'person-remove',
  'head-changed': 'person-head',
  suspended: 'household-terms',
  reinstated: 'household-terms',
}

/** A household as far as files change it. */
export interface KnownHousehold {
  readonly governorate: string
  readonly terms: readonly HouseholdTerm[]
  /** How many of the members of its last term are known as people. */
  readonly registered: number
}

/** A person as far as files change who is a member of what. */
export interface KnownPerson {
  readonly id: number
  readonly householdId: number | undefined
  readonly role: string | undefined
  /** First day on which the person is no member any more, where it is set. */
  readonly leavesOn: number | undefined
}

/** What the database knows of the lines of a chunk. */
export interface Known {
  readonly households: Pick<ReadonlyMap<number, KnownHousehold>, 'get'>
  /** By keyed hash of the national ID, latin1. */
  readonly people: Pick<ReadonlyMap<string, KnownPerson>, 'get'>
  /** By `household key`. */
  readonly members: Pick<ReadonlyMap<string, KnownPerson>, 'get'>
  /** Line keys, hex, of changes that were made. */
  readonly made: Pick<ReadonlySet<string>, 'has'>
}

/** Where lines come from, as each change keeps it. */
export type SourceOf = (line: MembershipLine) => string

/**
 * Finds out what is to become of lines, each of another household, with a few queries for all of them.
 * @param sourceOf stays with the change
 * @param forecast of a dry run: what the lines before would have changed; takes these lines too
 */
export async function planLines(
  desk: PeopleDesk,
  lines: readonly MembershipLine[],
  sourceOf: SourceOf,
  forecast?: MembershipForecast,
): Promise<Plan[]> {
  const keys = lines.map((line) => lineKeyOf(desk, line))
  const read = await readKnown(desk, lines, keys)
  const known = forecast?.over(read) ?? read
  return lines.map((line, at) => {
    const lineKey = keys[at] ?? ''
    const household = known.households.get(line.householdId)
    const plan = planOf(desk, line, lineKey, known, sourceOf)
    forecast?.note(line, plan, { lineKey, index: indexOf(desk, line)?.toString('latin1'), household })
    return plan
  })
}

function indexOf({ personal }: PeopleDesk, { nationalId }: MembershipLine): Buffer | undefined {
  return nationalId === undefined ? undefined : personal.indexOf('national-id', nationalId)
}

/** The terms after a line, by the rule of the writer, or why it would refuse it. */
function termsAfter(desk: PeopleDesk, { event, effective }: MembershipLine, terms: readonly HouseholdTerm[]) {
  const change = termChangeOf[event]
  if (change === undefined || terms.length === 0) return terms
  return changeTerms(terms, termStart(effective, todayAt(desk)), change)
}

const termChangeOf: Readonly<Record<MembershipEvent, TermChange | undefined>> = {
  added: { membersBy: 1 },
  removed: { membersBy: -1 },
  'head-changed': undefined,
  suspended: { status: 'suspended' },
  reinstated: { status: 'active' },
}

/** Hash of what a line does, whatever file it is in; 32 hex digits. */
function lineKeyOf({ personal }: PeopleDesk, line: MembershipLine): string {
  const who = line.nationalId ?? line.memberKey ?? ''
  return personal.indexOf('line', [line.householdId, line.event, who, line.effective].join('|')).toString('hex')
}

function planOf(desk: PeopleDesk, line: MembershipLine, lineKey: string, known: Known, sourceOf: SourceOf): Plan {
  const rejected = (field: string, reason: string): Plan => ({ kind: 'rejected', field, reason })
  if (known.made.has(lineKey)) return { kind: 'repeated' }
  const household = known.households.get(line.householdId)
  if (household === undefined) return rejected('household', 'there is no such household')
  const { governorate } = household
  const { event, effective, reasonCode, reason, memberKey } = line
  const index = indexOf(desk, line)
  const person =
    index === undefined
      ? known.members.get(`${line.householdId} ${memberKey}`)
      : known.people.get(index.toString('latin1'))
  const from = termStart(effective, todayAt(desk))
  const whom = whomOf(line, household, person, from)
  if (whom.refusal !== undefined) return rejected(whom.field, whom.refusal)
  const isLast = whom.isNamed && event === 'removed' && person?.role === 'head'
  const terms = isLast ? termsAfterLast(household.terms, from) : termsAfter(desk, line, household.terms)
  if (typeof terms === 'string') return rejected('', terms)
  const base = { effective, reasonCode, reason, source: sourceOf(line), lineKey }
  const personId = whom.isNamed ? person?.id : undefined
  const named = personId === undefined ? {} : { person: personId }
  const more = { ...named, ...(event === 'added' ? { memberKey } : {}), ...(isLast ? { last: true } : {}) }
  const isOfHousehold = event === 'suspended' || event === 'reinstated'
  const detail = { ...base, ...(isOfHousehold ? { event } : more) }
  // Who was left behind by an enrolment that was refused gets the name that is given here.
  const isEntered = event === 'added' && (person === undefined || line.name !== undefined)
  return { kind: isEntered ? 'add-new' : 'change', governorate, detail, terms, from, personId }
}

type Whom =
  | { readonly refusal: undefined; readonly isNamed: boolean }
  | { readonly refusal: string; readonly field: string }

/** Whom a line that counts from a day is about, or why it cannot be. */
function whomOf(
  { event, householdId, name }: MembershipLine,
  { terms, registered }: KnownHousehold,
  person: KnownPerson | undefined,
  from: CivilDate,
): Whom {
  const refuse = (refusal: string, field = 'nationalId') => ({ refusal, field })
  if (event === 'suspended' || event === 'reinstated') return { refusal: undefined, isNamed: false }
  const isOwn = person !== undefined && person.householdId === householdId
  if (event === 'added') {
    // Who leaves one household may be in another from that day on: no day, and no month, is lost in between.
    const isMember = person?.householdId !== undefined && (person.leavesOn ?? Number.POSITIVE_INFINITY) > from
    if (isMember && isOwn) return refuse('is a member of this household already')
    if (isMember) return refuse('is a member of another household')
    if (person === undefined && name === undefined) return refuse('a person who is not known yet needs a name', 'name')
    return { refusal: undefined, isNamed: true }
  }
  if (isOwn) {
    if (person.leavesOn !== undefined) return refuse('leaves this household already')
    const isLast = event === 'removed' && registered === 1 && terms.at(-1)?.members === 1
    if (person.role !== 'head' || isLast) return { refusal: undefined, isNamed: true }
    return refuse(event === 'removed' ? 'is the head: change the head first' : 'is the head already')
  }
  // Loaded with a number of members whom nobody has named: one of those may leave.
  const isUnnamed = person?.householdId === undefined && registered < (terms.at(-1)?.members ?? 0)
  if (event === 'removed' && isUnnamed) return { refusal: undefined, isNamed: false }
  return refuse('is no member of this household')
}

async function readKnown(desk: PeopleDesk, lines: readonly MembershipLine[], keys: readonly string[]): Promise<Known> {
  const { client } = desk
  const ids = int8Array([...new Set(lines.map(({ householdId }) => householdId))])
  const households = await client.query<{ id: string } & KnownHousehold>(
    `select h.id, h.governorate,
            (select coalesce(jsonb_agg(jsonb_build_object('from', t.from_date, 'members', t.members, 'status', t.status)
                                       order by t.from_date), '[]')
             from household_term t where t.lane = h.lane and t.household_id = h.id) as terms,
            (select count(*)::integer from household_member m where m.household_id = h.id and m.to_date is null) as registered
     from installation i cross join unnest($1::bigint[]) u(id)
     join household h on h.lane = (u.id % i.lane_count)::smallint and h.id = u.id`,
    [ids],
  )
  const indexes = lines.flatMap((line) => indexOf(desk, line)?.toString('latin1') ?? [])
  const people = await client.query<{
    id: string
    id_index: Buffer
    household_id: string | null
    role: string | null
    to_date: number | null
  }>(
    `select p.id, p.id_index, m.household_id, m.role, m.to_date from unnest($1::bytea[]) u(id_index)
     join person p on p.id_index = u.id_index
     left join household_member m on m.person_id = p.id and (m.to_date is null or m.to_date > $2)
     order by m.to_date nulls last`,
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
      people.rows.map((row) => [
        row.id_index.toString('latin1'),
        personOf(row.id, row.household_id, row.role, row.to_date),
      ]),
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

function personOf(id: string, householdId: string | null, role: string | null, to: number | null = null): KnownPerson {
  const household = householdId === null ? undefined : Number(householdId)
  return { id: Number(id), householdId: household, role: role ?? undefined, leavesOn: to ?? undefined }
}
