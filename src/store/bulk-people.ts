import type { CivilDate } from '../calendar.ts'
import { readMobileNumber } from '../card/mobile-number.ts'
import { type NationalId, readNationalId } from '../card/national-id.ts'
import { NAME_FORM, readPersonName } from '../card/person-name.ts'
import type { PersonalData } from '../security/personal-data.ts'
import { byteaArray, int2Array, int4Array, int8Array, textArray } from './binary-arrays.ts'
import type { FieldReader } from './bulk-fields.ts'
import type { Client } from './connection.ts'
import type { PeopleActor, PeopleDesk } from './people-desk.ts'
import { registerPerson } from './people-entry.ts'
import { faultsOfKnown, lookUpPeople } from './people-known.ts'
import { type CheckedPerson, sealPerson } from './people-register.ts'

/** A member of a household as a file brings them. */
export interface PersonRow {
  readonly id: NationalId
  readonly name: string
  readonly mobile: { readonly number: string; readonly proof: string } | undefined
  readonly role: 'head' | 'member'
  /** How later files name the person; '' when they give the national ID. */
  readonly memberKey: string
}

/** A member as they rest. */
export interface SealedMember extends Pick<PersonRow, 'role' | 'memberKey'> {
  /** Keyed hashes of 16 bytes, latin1. */
  readonly idIndex: string
  readonly mobileIndex: string | undefined
  readonly sealed: Buffer
  readonly keyVersion: number
  readonly birthDate: CivilDate
  readonly sex: NationalId['sex']
  readonly mobileProof: string | undefined
}

const PEOPLE_MAX = 60

/**
 * Reads the people of a household: none, or as many as its last term has members, of whom one is the head.
 * @param today no one is born after it
 */
export function peopleOf(reader: FieldReader, members: number | undefined, today: CivilDate): PersonRow[] {
  const given = reader.list('people', PEOPLE_MAX)
  const people = given.flatMap((person) => {
    const read = personOf(person, today)
    person.end()
    return read === undefined ? [] : [read]
  })
  if (given.length === 0) return people
  if (given.length !== members) reader.refuse('people', 'must be as many as the members of the last term')
  if (people.length === given.length && people.filter(({ role }) => role === 'head').length !== 1) {
    reader.refuse('people', 'must have one head')
  }
  return people
}

function personOf(person: FieldReader, today: CivilDate): PersonRow | undefined {
  const idText = person.text('nationalId', (text) => readNationalId(text, { today }).fault, '')
  const nameText = person.text('name', (text) => (readPersonName(text) === undefined ? NAME_FORM : undefined), '')
  const mobileText = person.text('mobile', (text) => readMobileNumber(text).fault, undefined)
  const proof = person.text(
    'mobileProof',
    (text) => (text.length > 64 ? 'has at most 64 characters' : undefined),
    undefined,
  )
  if ((mobileText === undefined) !== (proof === undefined)) {
    person.refuse('mobileProof', 'says how it was shown that the mobile number is in the own name: they go together')
  }
  const role = person.choice('role', ['head', 'member'], 'member')
  const memberKey = person.matching('memberKey', /^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$/, 'must be letters and digits', '')
  const { id } = readNationalId(idText, { today })
  const name = readPersonName(nameText)
  if (id === undefined || name === undefined) return undefined
  const number = mobileText === undefined ? undefined : readMobileNumber(mobileText).mobile?.number
  const mobile = number === undefined || proof === undefined ? undefined : { number, proof }
  return { id, name, mobile, role, memberKey }
}

/** Seals a person for the register. @throws MizanError CRYPTO_REFUSED when no key is in use */
export function sealMember(personal: PersonalData, person: PersonRow): SealedMember {
  const { id, name, mobile, role, memberKey } = person
  const idIndex = personal.indexOf('national-id', id.digits)
  const sealed = sealPerson(personal, { nationalId: id.digits, name, mobile: mobile?.number }, idIndex)
  return {
    role,
    memberKey,
    idIndex: idIndex.toString('latin1'),
    mobileIndex: mobile === undefined ? undefined : personal.indexOf('mobile', mobile.number).toString('latin1'),
    sealed: sealed.bytes,
    keyVersion: sealed.keyVersion,
    birthDate: id.birthDate,
    sex: id.sex,
    mobileProof: mobile?.proof,
  }
}

/** A household with its people and the first day of them. */
export interface PeopledHousehold {
  readonly id: number
  readonly from: CivilDate
  readonly people: readonly SealedMember[]
}

/** A member of whom, or of whose mobile number, the register has a row that an enrolment which was refused left behind. */
export interface LeftMember {
  readonly person: PersonRow
  readonly sealed: SealedMember
}

/**
 * Enters such members, as an enrolment would, in the transaction that opens their households.
 * @returns their numbers by their `idIndex`; undefined when somebody else has entered one meanwhile
 */
export async function enterLeft(
  desk: PeopleDesk,
  left: readonly LeftMember[],
  actor: PeopleActor,
): Promise<ReadonlyMap<string, number> | undefined> {
  const entered = new Map<string, number>()
  if (left.length === 0) return entered
  const people = left.map(checkedOf)
  // All at once, so that two lanes lock them in one order.
  const known = await lookUpPeople(desk, people)
  if (people.some((person) => faultsOfKnown(known, person).length > 0)) return undefined
  for (const person of people) {
    entered.set(person.idIndex.toString('latin1'), await registerPerson(desk, person, actor))
  }
  return entered
}

function checkedOf({ person: { id, name, mobile }, sealed }: LeftMember): CheckedPerson {
  const mobileIndex = Buffer.from(sealed.mobileIndex ?? '', 'latin1')
  return {
    ...{ id, name, idIndex: Buffer.from(sealed.idIndex, 'latin1') },
    mobile: mobile === undefined ? undefined : { ...mobile, index: mobileIndex },
  }
}

/**
 * Enters people and makes them members, in the transaction that opens their households.
 * @param entered numbers of those who are entered already, by their `idIndex`
 */
export async function insertPeople(
  client: Client,
  lane: number,
  households: readonly PeopledHousehold[],
  by: { readonly actor: string; readonly source: string },
  entered: ReadonlyMap<string, number> = new Map(),
): Promise<void> {
  const rows = households.flatMap(({ id, from, people }) => people.map((person) => ({ ...person, id, from })))
  if (rows.length === 0) return
  await client.query({
    name: 'bulk_people',
    text: `
      with given as (
        select g.*, nullif(g.mobile_index, ''::bytea) as mobile
        from unnest($4::bigint[], $5::integer[], $6::text[], $7::text[], $8::bytea[], $9::bytea[], $10::smallint[],
          $11::integer[], $12::text[], $13::bytea[], $14::text[], $15::bigint[])
          g(household_id, from_date, role, member_key, id_index, sealed, key_version, birth_date, sex, mobile_index, proof,
            entered_as)
      ), entered as (
        insert into person (id_index, sealed, key_version, birth_date, sex, mobile_index, mobile_proof, created_by)
        select id_index, sealed, key_version, birth_date, sex, mobile, nullif(proof, ''), $2 from given
        where entered_as = 0
        returning id, id_index
      ), noted as (
        insert into person_event (person_id, actor, what, note) select id, $2, 'registered', $3 from entered
      )
      insert into household_member (lane, household_id, person_id, role, from_date, member_key, source, batch_seq)
      select $1, g.household_id, coalesce(e.id, g.entered_as), g.role, g.from_date, nullif(g.member_key, ''), $3,
             (select last_seq from lane l where l.lane = $1)
      from given g left join entered e on e.id_index = g.id_index`,
    values: [
      lane,
      by.actor,
      by.source,
      int8Array(rows.map((row) => row.id)),
      int4Array(rows.map((row) => row.from)),
      textArray(rows.map((row) => row.role)),
      textArray(rows.map((row) => row.memberKey)),
      byteaArray(rows.map((row) => row.idIndex)),
      byteaArray(rows.map((row) => row.sealed.toString('latin1'))),
      int2Array(rows.map((row) => row.keyVersion)),
      int4Array(rows.map((row) => row.birthDate)),
      textArray(rows.map((row) => row.sex)),
      byteaArray(rows.map((row) => row.mobileIndex ?? '')),
      textArray(rows.map((row) => row.mobileProof ?? '')),
      int8Array(rows.map((row) => entered.get(row.idIndex) ?? 0)),
    ],
  })
}
