import { maskMobile } from '../card/mobile-number.ts'
import { MizanError } from '../errors.ts'
import { refusalOf } from './connection.ts'
import type { PeopleActor, PeopleDesk } from './people-desk.ts'
import { hasAnother, type KnownPeople, lookUpPeople } from './people-known.ts'
import {
  type CheckedPerson,
  type Mobile,
  mobileOf,
  type PersonInput,
  readSealed,
  type Sealed,
  sealPerson,
  textOf,
} from './people-register.ts'

/**
 * Enters a person, or finds the one that has the national ID already: then the name stays as it is, and a mobile number is
 * only added where there is none. Whoever was left behind by an enrolment that was refused becomes as given, and gives
 * the mobile number up to whom it is registered for now.
 * @param known what the register knows of the person, in this transaction
 * @returns the person's number
 * @throws MizanError BAD_INPUT when the mobile number is another person's, or the person has another
 */
export async function registerPerson(
  desk: PeopleDesk,
  person: CheckedPerson,
  actor: PeopleActor,
  known?: KnownPeople,
): Promise<number> {
  const people = known ?? (await lookUpPeople(desk, [person]))
  const { name, mobile } = person
  const holder = people.holderOf(person)
  if (holder !== undefined && mobile !== undefined) {
    if (!holder.isLoose) throw mobileTaken()
    await giveMobileUp(desk, holder.id, mobile, actor)
  }
  const found = people.of(person)
  if (found === undefined) {
    // Undefined when someone else entered the person in the same moment.
    return (await insertPerson(desk, person, actor)) ?? registerPerson(desk, person, actor)
  }
  if (hasAnother(found, person)) {
    throw new MizanError('BAD_INPUT', `mobile: person ${found.id} is known with another number: change it first`)
  }
  if (found.isLoose) await changeFacts(desk, found.id, () => ({ name, mobile: mobile ?? null }), actor)
  else if (mobile !== undefined) await changeFacts(desk, found.id, () => ({ mobile }), actor)
  return found.id
}

async function insertPerson(
  desk: PeopleDesk,
  { id, idIndex, name, mobile }: CheckedPerson,
  actor: PeopleActor,
): Promise<number | undefined> {
  const sealed = sealPerson(desk.personal, { nationalId: id.digits, name, mobile: mobile?.number }, idIndex)
  const { rows } = await unlessTaken(() =>
    desk.client.query<{ id: string }>(
      `with entered as (
         insert into person (id_index, sealed, key_version, birth_date, sex, mobile_index, mobile_proof, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id_index) do nothing returning id),
       noted as (
         insert into person_event (person_id, actor, what) select id, $8, 'registered' from entered)
       select id from entered`,
      [
        idIndex,
        sealed.bytes,
        sealed.keyVersion,
        id.birthDate,
        id.sex,
        mobile?.index ?? null,
        mobile?.proof ?? null,
        actor.name,
      ],
    ),
  )
  const [row] = rows
  return row === undefined ? undefined : Number(row.id)
}

/** Takes a mobile number from a person who belongs to nobody, if it is still theirs. */
async function giveMobileUp(desk: PeopleDesk, personId: number, mobile: Mobile, actor: PeopleActor): Promise<void> {
  await changeFacts(desk, personId, (before) => (before.mobile === mobile.number ? { mobile: null } : {}), actor)
}

/**
 * Changes the mobile number of a person: one in the own name, with how that was shown, as at enrolment.
 * @returns the number masked
 * @throws MizanError NOT_FOUND; BAD_INPUT when it is none, or another person's
 */
export async function changeMobile(
  desk: PeopleDesk,
  personId: number,
  input: Required<Pick<PersonInput, 'mobile' | 'mobileProof'>>,
  actor: PeopleActor,
): Promise<string> {
  const faults: string[] = []
  const mobile = mobileOf(desk, { nationalId: '', name: '', ...input }, faults)
  if (mobile === undefined || faults.length > 0) throw new MizanError('BAD_INPUT', faults.join('; '))
  // Whose it is now, if anybody's; the person whose number changes is found by a number, not by an ID.
  const { rows } = await desk.client.query<{ id_index: Buffer }>('select id_index from person where id = $1', [
    personId,
  ])
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no person ${personId}`)
  const named = { idIndex: row.id_index, mobile }
  const holder = (await lookUpPeople(desk, [named])).holderOf(named)
  if (holder !== undefined && !holder.isLoose) throw mobileTaken()
  if (holder !== undefined) await giveMobileUp(desk, holder.id, mobile, actor)
  await changeFacts(desk, personId, () => ({ mobile }), actor)
  return maskMobile(mobile.number)
}

/** How often a person who is changed by others in the same moment is read again. */
const TRIES = 3

/** What becomes of a person: what is absent stays; a mobile number of null is none any more. */
interface NewFacts {
  readonly name?: string
  readonly mobile?: Mobile | null
}

async function changeFacts(
  desk: PeopleDesk,
  personId: number,
  change: (before: Sealed) => NewFacts,
  actor: PeopleActor,
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const { row, sealed: before } = await readSealed(desk, personId)
    const { name = before.name, mobile } = change(before)
    const number = mobile === undefined ? before.mobile : mobile?.number
    const isMobileNew = number !== before.mobile
    const events = [...(name === before.name ? [] : ['name-changed']), ...(isMobileNew ? ['mobile-changed'] : [])]
    if (events.length === 0) return
    const sealed = desk.personal.seal(textOf({ ...before, name, mobile: number }), row.id_index)
    const { rowCount } = await unlessTaken(() =>
      desk.client.query(
        `with changed as (
           update person set sealed = $2, key_version = $3,
               mobile_index = case when $4 then $5 else mobile_index end,
               mobile_proof = case when $4 then $6 else mobile_proof end
             where id = $1 and sealed = $7 returning id)
         insert into person_event (person_id, actor, what)
           select id, $8, what from changed cross join unnest($9::text[]) what`,
        [
          personId,
          sealed.bytes,
          sealed.keyVersion,
          isMobileNew,
          mobile?.index ?? null,
          mobile?.proof ?? null,
          row.sealed,
          actor.name,
          events,
        ],
      ),
    )
    if (rowCount !== 0) return
  }
  throw new MizanError('STORE_REJECTED', 'others change this person in the same moment: try again')
}

const UNIQUE = '23505'

async function unlessTaken<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (refusalOf(cause)?.code !== UNIQUE) throw cause
    throw mobileTaken(cause)
  }
}

function mobileTaken(cause?: unknown): MizanError {
  return new MizanError('BAD_INPUT', 'mobile: the number is registered for another person', { cause })
}
