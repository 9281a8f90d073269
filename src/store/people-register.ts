import { maskMobile, readMobileNumber } from '../card/mobile-number.ts'
import { type NationalId, readNationalId } from '../card/national-id.ts'
import { MizanError } from '../errors.ts'
import type { PersonalData, SealedText } from '../security/personal-data.ts'
import { refusalOf } from './connection.ts'
import { type PeopleActor, type PeopleDesk, todayAt } from './people-desk.ts'

/** A person as it is entered. */
export interface PersonInput {
  /** 14 digits of either script. */
  readonly nationalId: string
  readonly name: string
  /** Registered in the person's own name (RU-10). */
  readonly mobile?: string | undefined
  /** How that was shown, such as `operator-check` or `contract`. */
  readonly mobileProof?: string | undefined
}

/** A person that was read and found right; nothing of it is stored yet. */
export interface CheckedPerson {
  readonly id: NationalId
  readonly idIndex: Buffer
  readonly name: string
  readonly mobile: { readonly number: string; readonly index: Buffer; readonly proof: string } | undefined
}

/** What is known of a person, in clear: for those who may see it. */
export interface Person {
  readonly id: number
  readonly nationalId: string
  readonly name: string
  /** +201 and nine digits. */
  readonly mobile: string | undefined
  /** yyyymmdd. */
  readonly birthDate: number
  readonly sex: 'male' | 'female'
}

/** What is sealed of a person. */
interface Sealed {
  readonly nationalId: string
  readonly name: string
  readonly mobile?: string | undefined
}

const NAME_MAX = 120

/** Reads a person that was entered. @returns the person, or all that is wrong: the words never repeat what was given */
export function checkPerson(desk: PeopleDesk, input: PersonInput): CheckedPerson | string[] {
  const faults: string[] = []
  const { id, fault } = readNationalId(input.nationalId, { today: todayAt(desk) })
  if (fault !== undefined) faults.push(`nationalId: ${fault}`)
  const name = input.name.normalize('NFC').replaceAll(/\s+/g, ' ').trim()
  if (name === '' || name.length > NAME_MAX || /[\p{Cc}\p{N}]/u.test(name)) {
    faults.push(`name: a name has letters, and up to ${NAME_MAX} of them`)
  }
  const mobile = input.mobile === undefined ? undefined : mobileOf(desk, input, faults)
  if (id === undefined || faults.length > 0) return faults
  return { id, idIndex: desk.personal.indexOf('national-id', id.digits), name, mobile }
}

function mobileOf(desk: PeopleDesk, input: PersonInput, faults: string[]): CheckedPerson['mobile'] {
  const { mobile, fault } = readMobileNumber(input.mobile ?? '')
  const proof = input.mobileProof?.trim() ?? ''
  if (fault !== undefined) faults.push(`mobile: ${fault}`)
  if (proof === '' || proof.length > 64) {
    faults.push('mobileProof: say how it was shown that the number is in the own name, in up to 64 characters')
  }
  if (mobile === undefined) return undefined
  return { number: mobile.number, index: desk.personal.indexOf('mobile', mobile.number), proof }
}

/**
 * Enters a person, or finds the one that has the national ID already: then the name stays as it is, and a mobile number is
 * only added where there is none.
 * @returns the person's number
 * @throws MizanError BAD_INPUT when the mobile number is another person's, or the person has another
 */
export async function registerPerson(desk: PeopleDesk, person: CheckedPerson, actor: PeopleActor): Promise<number> {
  const { id, idIndex, name, mobile } = person
  const found = await findPerson(desk, idIndex)
  if (found !== undefined) {
    await addMobile(desk, found, mobile, actor)
    return found
  }
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
  if (row !== undefined) return Number(row.id)
  // Someone else entered the person in the same moment.
  return registerPerson(desk, person, actor)
}

async function addMobile(
  desk: PeopleDesk,
  personId: number,
  mobile: CheckedPerson['mobile'],
  actor: PeopleActor,
): Promise<void> {
  if (mobile === undefined) return
  const { rows } = await desk.client.query<{ mobile_index: Buffer | null }>(
    'select mobile_index from person where id = $1',
    [personId],
  )
  const had = rows[0]?.mobile_index ?? undefined
  if (had === undefined) await setMobile(desk, personId, mobile, actor)
  else if (!had.equals(mobile.index)) {
    throw new MizanError('BAD_INPUT', 'the person is known with another mobile number: change it first')
  }
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
  await setMobile(desk, personId, mobile, actor)
  return maskMobile(mobile.number)
}

/** How often a person who is changed by others in the same moment is read again. */
const TRIES = 3

async function setMobile(
  desk: PeopleDesk,
  personId: number,
  mobile: NonNullable<CheckedPerson['mobile']>,
  actor: PeopleActor,
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const { row, sealed: before } = await readSealed(desk, personId)
    if (before.mobile === mobile.number) return
    const sealed = desk.personal.seal(textOf({ ...before, mobile: mobile.number }), row.id_index)
    const { rowCount } = await unlessTaken(() =>
      desk.client.query(
        `with changed as (
           update person set sealed = $2, key_version = $3, mobile_index = $4, mobile_proof = $5
             where id = $1 and sealed = $6 returning id)
         insert into person_event (person_id, actor, what) select id, $7, 'mobile-changed' from changed`,
        [personId, sealed.bytes, sealed.keyVersion, mobile.index, mobile.proof, row.sealed, actor.name],
      ),
    )
    if (rowCount !== 0) return
  }
  throw new MizanError('STORE_REJECTED', 'others change this person in the same moment: try again')
}

/** Number of the person with a national ID; undefined when there is none. @param idIndex its keyed hash */
async function findPerson({ client }: PeopleDesk, idIndex: Buffer): Promise<number | undefined> {
  const { rows } = await client.query<{ id: string }>('select id from person where id_index = $1', [idIndex])
  const [row] = rows
  return row === undefined ? undefined : Number(row.id)
}

/** A person in clear. Whoever calls notes in the audit who looked. @throws MizanError NOT_FOUND */
export async function readPerson(desk: PeopleDesk, personId: number): Promise<Person> {
  const { row, sealed } = await readSealed(desk, personId)
  const { nationalId, name, mobile } = sealed
  return { id: personId, nationalId, name, mobile, birthDate: row.birth_date, sex: row.sex }
}

/**
 * Opens the number to which messages for a household go: its head's (M15). Undefined without one, or without a mobile number.
 * @throws MizanError CRYPTO_REFUSED
 */
export type RecipientOf = (householdId: number) => { readonly mobile: string } | undefined

/** Reads to whom messages for households go. What was read stays sealed until a household is asked for. */
export async function readRecipients(
  desk: Pick<PeopleDesk, 'client' | 'personal'>,
  householdIds: readonly number[],
): Promise<RecipientOf> {
  const { rows } = await desk.client.query<SealedPerson & { readonly household_id: string }>({
    name: 'recipients',
    text: `select m.household_id, p.id_index, p.sealed, p.key_version
     from household_member m join person p on p.id = m.person_id
     where m.household_id = any ($1::bigint[]) and m.to_date is null and m.role = 'head' and p.mobile_index is not null`,
    values: [householdIds],
  })
  const heads = new Map(rows.map((row) => [Number(row.household_id), row]))
  return (householdId) => {
    const head = heads.get(householdId)
    const mobile = head === undefined ? undefined : opened(desk, head).mobile
    return mobile === undefined ? undefined : { mobile }
  }
}

/** That a fingerprint was enrolled; of the print itself nothing is kept. */
export interface FingerprintInput {
  /** Device that enrolled it: 16 hex digits. */
  readonly deviceId: string
  /** How the store of templates names it: 16 hex digits. */
  readonly templateRef: string
}

/** Notes an enrolled fingerprint. A repeat changes nothing. @throws MizanError BAD_INPUT, NOT_FOUND */
export async function enrolFingerprint(
  { client }: PeopleDesk,
  personId: number,
  { deviceId, templateRef }: FingerprintInput,
  actor: PeopleActor,
): Promise<void> {
  if (!/^[0-9a-f]{16}$/.test(deviceId)) throw new MizanError('BAD_INPUT', 'deviceId is 16 hex digits')
  if (!/^[0-9a-f]{16}$/.test(templateRef)) throw new MizanError('BAD_INPUT', 'templateRef is 16 hex digits')
  const known = await client.query('select from person where id = $1', [personId])
  if (known.rowCount === 0) throw new MizanError('NOT_FOUND', `there is no person ${personId}`)
  await client.query(
    `with enrolled as (
       insert into fingerprint (person_id, device_id, template_ref, enrolled_by) values ($1, $2, $3, $4)
       on conflict (person_id, template_ref) do nothing returning person_id)
     insert into person_event (person_id, actor, what, note)
       select person_id, $4, 'fingerprint-enrolled', 'device ' || $2 from enrolled`,
    [personId, deviceId, templateRef, actor.name],
  )
}

interface SealedPerson {
  readonly id_index: Buffer
  readonly sealed: Buffer
  readonly key_version: number
}

interface PersonRow extends SealedPerson {
  readonly birth_date: number
  readonly sex: 'male' | 'female'
}

async function readSealed(desk: PeopleDesk, personId: number): Promise<{ row: PersonRow; sealed: Sealed }> {
  const { rows } = await desk.client.query<PersonRow>(
    'select id_index, sealed, key_version, birth_date, sex from person where id = $1',
    [personId],
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no person ${personId}`)
  return { row, sealed: opened(desk, row) }
}

function opened({ personal }: Pick<PeopleDesk, 'personal'>, row: SealedPerson): Sealed {
  return JSON.parse(personal.open({ keyVersion: row.key_version, bytes: row.sealed }, row.id_index)) as Sealed
}

/** Seals what is kept of a person, bound to the hash of the national ID. @throws MizanError CRYPTO_REFUSED */
export function sealPerson(personal: PersonalData, person: Sealed, idIndex: Uint8Array): SealedText {
  return personal.seal(textOf(person), idIndex)
}

function textOf({ nationalId, name, mobile }: Sealed): string {
  return JSON.stringify({ nationalId, name, mobile })
}

const UNIQUE = '23505'

async function unlessTaken<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (refusalOf(cause)?.code !== UNIQUE) throw cause
    throw new MizanError('BAD_INPUT', 'the mobile number is registered for another person', { cause })
  }
}
