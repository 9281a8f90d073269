import { readMobileNumber } from '../card/mobile-number.ts'
import { type NationalId, readNationalId } from '../card/national-id.ts'
import { NAME_FORM, readPersonName } from '../card/person-name.ts'
import { MizanError } from '../errors.ts'
import type { PersonalData, SealedText } from '../security/personal-data.ts'
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
  readonly mobile: Mobile | undefined
}

/** A mobile number, and how it was shown to be in the own name. */
export interface Mobile {
  readonly number: string
  readonly index: Buffer
  readonly proof: string
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
export interface Sealed {
  readonly nationalId: string
  readonly name: string
  readonly mobile?: string | undefined
}

/** Reads a person that was entered. @returns the person, or all that is wrong: the words never repeat what was given */
export function checkPerson(desk: PeopleDesk, input: PersonInput): CheckedPerson | string[] {
  const faults: string[] = []
  const { id, fault } = readNationalId(input.nationalId, { today: todayAt(desk) })
  if (fault !== undefined) faults.push(`nationalId: ${fault}`)
  const name = readPersonName(input.name)
  if (name === undefined) faults.push(`name: ${NAME_FORM}`)
  const mobile = input.mobile === undefined ? undefined : mobileOf(desk, input, faults)
  if (id === undefined || name === undefined || faults.length > 0) return faults
  return { id, idIndex: desk.personal.indexOf('national-id', id.digits), name, mobile }
}

/** The mobile number that was entered, with how it was shown; what is wrong goes to the faults. */
export function mobileOf(desk: PeopleDesk, input: PersonInput, faults: string[]): CheckedPerson['mobile'] {
  const { mobile, fault } = readMobileNumber(input.mobile ?? '')
  const proof = input.mobileProof?.trim() ?? ''
  if (fault !== undefined) faults.push(`mobile: ${fault}`)
  if (proof === '' || proof.length > 64) {
    faults.push('mobileProof: say how it was shown that the number is in the own name, in up to 64 characters')
  }
  if (mobile === undefined) return undefined
  return { number: mobile.number, index: desk.personal.indexOf('mobile', mobile.number), proof }
}

/** A person in clear. Whoever calls notes in the audit who looked. @throws MizanError NOT_FOUND */
export async function readPerson(desk: PeopleDesk, personId: number): Promise<Person> {
  const { row, sealed } = await readSealed(desk, personId)
  const { nationalId, name, mobile } = sealed
  return { id: personId, nationalId, name, mobile, birthDate: row.birth_date, sex: row.sex }
}

/**
 * Opens the number to which messages for a household go: its head's (M15). Undefined without one, or without a mobile
 * number.
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

/** A row of the register with what is sealed in it, in clear. @throws MizanError NOT_FOUND, CRYPTO_REFUSED */
export async function readSealed(desk: PeopleDesk, personId: number): Promise<{ row: PersonRow; sealed: Sealed }> {
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

/** What is sealed, as it is written. */
export function textOf({ nationalId, name, mobile }: Sealed): string {
  return JSON.stringify({ nationalId, name, mobile })
}
