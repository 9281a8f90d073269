import { type CivilDate, firstDay, monthOf } from '../calendar.ts'
import { isGovernorate } from '../card/governorates.ts'
import type { AccountPlace } from '../card/household.ts'
import { readIban } from '../card/iban.ts'
import { MEMBERS_MAX, termStart } from '../card/membership.ts'
import { MizanError } from '../errors.ts'
import type { CommandState } from './command-requests.ts'
import {
  askOnce,
  dateFrom,
  findByKey,
  nextNumber,
  type PeopleActor,
  type PeopleDesk,
  reasonFrom,
  todayAt,
} from './people-desk.ts'
import { registerPerson } from './people-entry.ts'
import { faultsOfKnown, lookUpPeople } from './people-known.ts'
import {
  type CheckedPerson,
  checkPerson,
  enrolFingerprint,
  type FingerprintInput,
  type PersonInput,
} from './people-register.ts'

/** A household as it is enrolled at a counter (M13). */
export interface EnrolmentInput {
  /** To whom messages go: needs a mobile number in the own name. */
  readonly head: PersonInput
  readonly members: readonly PersonInput[]
  /** Where it lives, by its code (ISO 3166-2:EG): never taken from a national ID. */
  readonly governorate: string
  readonly classes?: readonly string[]
  /** yyyy-mm-dd, in this month or later. @default today */
  readonly entitledFrom?: string
  /** Whether it has an old ration card, which works until the first subsidised dispense with the new one. */
  readonly hasOldRationCard: boolean
}

/** What was asked for, with the numbers that were given. */
export interface Enrolment {
  readonly householdId: number
  /** Of the application for the first card. */
  readonly orderId: number
  readonly command: CommandState
}

/** Why something changes, and from when. */
export interface ChangeInput {
  /** yyyy-mm-dd; the change counts from the day after. @default today */
  readonly effective?: string
  /** Such as `birth`, `death` or `moved`. */
  readonly reasonCode: string
  readonly reason?: string
  /** Hash of a file's line, 32 hex digits. */
  readonly lineKey?: string
  /** Where it comes from. @default counter */
  readonly source?: string
}

const REASON_CODE = /^[a-z][a-z-]{1,31}$/
const COUNTER = 'counter'
const GOVERNORATE_FORM = 'governorate: one of the codes of ISO 3166-2:EG without EG-, such as PTS'

/**
 * Enrols a household: its people, and the application for its first card. The people are entered first, and belong to no
 * household until the command is carried out; if it is refused, they hold neither a name nor a mobile number.
 * @param desk in a transaction: people and command are kept together, or neither
 * @throws MizanError BAD_INPUT with all that is wrong at once
 */
export async function enrolHousehold(desk: PeopleDesk, input: EnrolmentInput, actor: PeopleActor): Promise<Enrolment> {
  const { governorate, classes = [], hasOldRationCard } = input
  const entitledFrom = input.entitledFrom === undefined ? todayAt(desk) : dateFrom(input.entitledFrom, 'entitledFrom')
  const people = checkEnrolment(desk, input, entitledFrom)
  const asked = [
    people.map(({ idIndex }) => idIndex.toString('hex')),
    governorate,
    classes,
    entitledFrom,
    hasOldRationCard,
  ]
  const before = await findByKey(desk.client, actor)
  const householdId = before === undefined ? await nextNumber(desk, 'household') : Number(before.detail.household)
  const command = await askOnce(desk, { kind: 'household-open', householdId, input: asked }, actor, async () => {
    const known = await lookUpPeople(desk, people)
    refuseAll(people.flatMap((person, at) => faultsOfKnown(known, person).map((fault) => `${placeOf(at)}.${fault}`)))
    const members: { person: number; role: 'head' | 'member' }[] = []
    for (const [at, person] of people.entries()) {
      members.push({ person: await registerPerson(desk, person, actor, known), role: at === 0 ? 'head' : 'member' })
    }
    const order = await nextNumber(desk, 'card_order')
    const oldRationCard = hasOldRationCard ? 'active' : 'none'
    const detail = { household: householdId, governorate, classes, entitledFrom, oldRationCard, members, order }
    return { ...detail, reasonCode: 'enrolment', source: COUNTER }
  })
  const { household, order } = command.detail
  return { householdId: Number(household), orderId: Number(order), command }
}

function checkEnrolment(desk: PeopleDesk, input: EnrolmentInput, entitledFrom: CivilDate): CheckedPerson[] {
  const faults: string[] = []
  const people: CheckedPerson[] = []
  const places = new Map<string, string>()
  const firstWith = (key: string, where: string): string | undefined => {
    const first = places.get(key)
    places.set(key, first ?? where)
    return first
  }
  const entered = [input.head, ...input.members]
  for (const [at, person] of entered.entries()) {
    const where = placeOf(at)
    const checked = checkPerson(desk, person)
    if (Array.isArray(checked)) {
      faults.push(...checked.map((fault) => `${where}.${fault}`))
      continue
    }
    const { idIndex, mobile } = checked
    const first = firstWith(`id ${idIndex.toString('hex')}`, where)
    if (first !== undefined) faults.push(`${where}.nationalId: the same as of ${first}`)
    const other = mobile === undefined ? undefined : firstWith(`mobile ${mobile.index.toString('hex')}`, where)
    if (other !== undefined) faults.push(`${where}.mobile: the same as of ${other}`)
    people.push(checked)
  }
  if (input.head.mobile === undefined) faults.push('head.mobile: the head of household needs a mobile number')
  if (!isGovernorate(input.governorate)) {
    faults.push(GOVERNORATE_FORM)
  }
  if (entered.length > MEMBERS_MAX) faults.push(`members: a household has at most ${MEMBERS_MAX} members`)
  if (entitledFrom < firstDay(monthOf(todayAt(desk)))) faults.push('entitledFrom: this month or later')
  refuseAll(faults)
  return people
}

/** The head stands first. */
function placeOf(at: number): string {
  return at === 0 ? 'head' : `members[${at - 1}]`
}

/** @throws MizanError BAD_INPUT with all of them, if there are any */
function refuseAll(faults: readonly string[]): void {
  if (faults.length > 0) throw new MizanError('BAD_INPUT', faults.join('; '))
}

/** Adds a person to a household. @throws MizanError BAD_INPUT */
export async function addMember(
  desk: PeopleDesk,
  householdId: number,
  input: PersonInput & ChangeInput,
  actor: PeopleActor,
): Promise<CommandState> {
  const checked = checkPerson(desk, input)
  if (Array.isArray(checked)) throw new MizanError('BAD_INPUT', checked.join('; '))
  const change = changeOf(desk, input)
  const asked = [householdId, checked.idIndex.toString('hex'), change]
  return askOnce(desk, { kind: 'person-add', householdId, input: asked }, actor, async () => {
    const known = await lookUpPeople(desk, [checked])
    refuseAll(faultsOfKnown(known, checked, termStart(change.effective, todayAt(desk))))
    return { ...change, person: await registerPerson(desk, checked, actor, known) }
  })
}

/** Takes a person out of a household. @throws MizanError BAD_INPUT, NOT_FOUND when the person is no member of it */
export async function removeMember(
  desk: PeopleDesk,
  householdId: number,
  personId: number,
  input: ChangeInput,
  actor: PeopleActor,
): Promise<CommandState> {
  const change = changeOf(desk, input)
  return askOnce(desk, { kind: 'person-remove', householdId, input: [personId, change] }, actor, async () => {
    const role = await roleOf(desk, householdId, personId)
    if (role !== 'head') return { ...change, person: personId }
    const others = await desk.client.query(
      'select from household_member where household_id = $1 and person_id <> $2 and to_date is null limit 1',
      [householdId, personId],
    )
    if (others.rowCount !== 0) {
      throw new MizanError('BAD_INPUT', 'the head of household is removed after another took the place')
    }
    return { ...change, person: personId, last: true }
  })
}

/** Makes another member the head of household. @throws MizanError BAD_INPUT, NOT_FOUND */
export async function changeHead(
  desk: PeopleDesk,
  householdId: number,
  personId: number,
  input: ChangeInput,
  actor: PeopleActor,
): Promise<CommandState> {
  const change = changeOf(desk, input)
  return askOnce(desk, { kind: 'person-head', householdId, input: [personId, change] }, actor, async () => {
    const role = await roleOf(desk, householdId, personId)
    if (role === 'head') throw new MizanError('BAD_INPUT', 'this person is the head of household already')
    return { ...change, person: personId }
  })
}

/** Suspends a household, or gives its support back. @throws MizanError BAD_INPUT */
export async function changeStanding(
  desk: PeopleDesk,
  householdId: number,
  event: 'suspended' | 'reinstated',
  input: ChangeInput,
  actor: PeopleActor,
): Promise<CommandState> {
  const change = changeOf(desk, input)
  return askOnce(desk, { kind: 'household-terms', householdId, input: [event, change] }, actor, async () => ({
    ...change,
    event,
  }))
}

/** Sets the classes that a household belongs to. @throws MizanError BAD_INPUT */
export async function setClasses(
  desk: PeopleDesk,
  householdId: number,
  classes: readonly string[],
  input: ChangeInput,
  actor: PeopleActor,
): Promise<CommandState> {
  const change = changeOf(desk, input)
  return askOnce(desk, { kind: 'household-classes', householdId, input: [classes, change] }, actor, async () => ({
    ...change,
    classes,
  }))
}

/** Says that a household lives in another governorate, whose outlets serve it from then on. @throws MizanError BAD_INPUT */
export async function moveHousehold(
  desk: PeopleDesk,
  householdId: number,
  governorate: string,
  input: ChangeInput,
  actor: PeopleActor,
): Promise<CommandState> {
  if (!isGovernorate(governorate)) throw new MizanError('BAD_INPUT', GOVERNORATE_FORM)
  const change = changeOf(desk, input)
  return askOnce(desk, { kind: 'household-move', householdId, input: [governorate, change] }, actor, async () => ({
    ...change,
    governorate,
  }))
}

/** The Egypt Post account that is opened for a household, or that it had (M13). */
export interface AccountInput {
  readonly kind: 'new' | 'existing'
  /** IBAN: EG and 27 digits. */
  readonly iban: string
  /** Where it is held from now on; absent = where it was, at first here. */
  readonly heldAt?: AccountPlace
}

/** Links the postal account; the application for a card that waits for it goes on. @throws MizanError BAD_INPUT */
export async function linkAccount(
  desk: PeopleDesk,
  householdId: number,
  { kind, iban, heldAt }: AccountInput,
  actor: PeopleActor,
): Promise<CommandState> {
  const plain = readIban(iban)
  if (plain === undefined) throw new MizanError('BAD_INPUT', 'iban: EG and 27 digits, with right check digits')
  const index = desk.personal.indexOf('account', plain)
  const asked = [kind, index.toString('hex'), ...(heldAt === undefined ? [] : [heldAt])]
  return askOnce(desk, { kind: 'account-link', householdId, input: asked }, actor, async () => {
    const taken = await desk.client.query(
      'select from postal_link where reference_index = $1 and unlinked_at is null and household_id <> $2',
      [index, householdId],
    )
    if (taken.rowCount !== 0) throw new MizanError('BAD_INPUT', 'the account is linked to another household')
    const order = await openOrder(desk, householdId, 'applied')
    const detail = { accountKind: kind, masked: `EG${'*'.repeat(23)}${plain.slice(-4)}`, index: index.toString('hex') }
    const held = heldAt === undefined ? {} : { heldAt }
    return { ...detail, ...held, source: COUNTER, ...(order === undefined ? {} : { order }) }
  })
}

/**
 * Notes that the head's fingerprint is enrolled, and lets the application for the first card go on.
 * @throws MizanError BAD_INPUT, NOT_FOUND when no application waits for it
 */
export async function enrolHeadFingerprint(
  desk: PeopleDesk,
  householdId: number,
  input: FingerprintInput,
  actor: PeopleActor,
): Promise<CommandState> {
  return askOnce(desk, { kind: 'fingerprint-note', householdId, input: [householdId, input] }, actor, async () => {
    const order = await openOrder(desk, householdId, 'account-linked')
    if (order === undefined) throw new MizanError('NOT_FOUND', 'no application with a linked account waits for it')
    const person = await headOf(desk, householdId)
    await enrolFingerprint(desk, person, input, actor)
    return { order, person }
  })
}

async function openOrder({ client }: PeopleDesk, householdId: number, state: string): Promise<number | undefined> {
  const { rows } = await client.query<{ id: string }>(
    'select id from card_order where household_id = $1 and state = $2 order by id desc limit 1',
    [householdId, state],
  )
  const [row] = rows
  return row === undefined ? undefined : Number(row.id)
}

async function headOf({ client }: PeopleDesk, householdId: number): Promise<number> {
  const { rows } = await client.query<{ person_id: string }>(
    `select person_id from household_member where household_id = $1 and to_date is null and role = 'head'`,
    [householdId],
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `household ${householdId} has no head that is registered`)
  return Number(row.person_id)
}

async function roleOf({ client }: PeopleDesk, householdId: number, personId: number): Promise<string> {
  const { rows } = await client.query<{ role: string }>(
    'select role from household_member where household_id = $1 and person_id = $2 and to_date is null',
    [householdId, personId],
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', 'this person is no member of the household')
  return row.role
}

/** The part of a command's detail that all changes of membership share. */
export function changeOf(
  desk: PeopleDesk,
  input: ChangeInput,
): Readonly<Record<string, unknown>> & { readonly effective: CivilDate } {
  const { reasonCode, reason, lineKey, source = COUNTER } = input
  if (!REASON_CODE.test(reasonCode)) {
    throw new MizanError('BAD_INPUT', 'reasonCode: a word such as birth, death or moved')
  }
  const effective: CivilDate = input.effective === undefined ? todayAt(desk) : dateFrom(input.effective, 'effective')
  const text = reason === undefined || reason.trim() === '' ? undefined : reasonFrom(reason)
  return { effective, reasonCode, reason: text, lineKey, source }
}
