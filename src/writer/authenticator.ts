import {
  ASSERTION_VALID_MS,
  type Authentication,
  type ChipFacts,
  notAuthenticated,
  type Verified,
} from '../authorization/authentication.ts'
import type { AuthorizationRequest, SecurityData } from '../authorization/request.ts'
import { pinControlOf } from '../authorization/security-control.ts'
import type { Card, Household } from '../card/household.ts'
import { MizanError } from '../errors.ts'
import { ChipTags } from '../iso8583/chip-tags.ts'
import { readAssertion } from '../security/assertion.ts'
import {
  type CryptogramOutcome,
  type Eventually,
  isPending,
  type ScriptOrder,
  type SecurityModule,
  type Verdict,
} from '../security/security-module.ts'
import type { HouseholdCache } from './household-cache.ts'
import type { Work } from './work.ts'

/** Tags of chip data that an issuer looks at beside the cryptogram (EMV Book 3, annex A). */
const tags = {
  kind: 0x9f27,
  counter: 0x9f36,
  terminalResults: 0x95,
  amount: 0x9f02,
  currency: 0x5f2a,
  sequence: 0x5f34,
}
const EGP_NUMERIC = 0x0818
const SDA_DDA_CDA_FAILED = 0b0100_1100
/** Track 2 behind the service code: PIN key index 1, PIN verification value 4, card verification value 3. */
const CARD_VALUE_AT = 5
const CARD_VALUE_DIGITS = 3
const AES_SERIAL_BYTES = 12
const NOTHING = new Uint8Array(0)

/** What verifying needs of a security module. */
export type VerifyingModule = Pick<
  SecurityModule,
  'verifyPin' | 'verifyCardValue' | 'verifyCryptogram' | 'makeScript' | 'verifyAssertion' | 'verifyOneTimeCode'
>

/**
 * Verifies what messages bring, through a security module. What it finds are facts about the message; it changes
 * nothing. With software behind it all is done when a call returns; with an HSM the answers come later.
 */
export class Authenticator {
  readonly #module: VerifyingModule
  readonly #chip = new ChipTags()

  constructor(module: VerifyingModule) {
    this.#module = module
  }

  /** @param holder undefined for a card that nobody issued: then there is nothing to compare with */
  authenticate(
    request: AuthorizationRequest,
    holder: { readonly card: Card; readonly household: Household } | undefined,
  ): Eventually<Authentication> {
    const { security } = request
    if (security === undefined || holder === undefined || request.fault !== undefined) return notAuthenticated
    const { card, household } = holder
    const chip = this.#verifyChip(request, security, card)
    const cardValue = this.#verifyCardValue(request, security, card)
    const pin = this.#verifyPin(request, security, card)
    const assertion = this.#verifyAssertion(request, security)
    const code = this.#verifyCode(security, household)
    const all = [chip.outcome, cardValue, pin, assertion, code] as const
    if (all.some(isPending)) {
      return Promise.all(all).then(([outcome, value, pinVerdict, verified, codeVerified]) =>
        collect(outcome, chip.facts, value, pinVerdict, verified, codeVerified),
      )
    }
    const [outcome, value, verdict, verified, codeVerified] = all as Settled<typeof all>
    return collect(outcome, chip.facts, value, verdict, verified, codeVerified)
  }

  #verifyChip(
    { pan, messageClass }: AuthorizationRequest,
    { chip, sequenceNumber }: SecurityData,
    card: Card,
  ): { outcome: Eventually<ChipOutcome>; facts: ChipFacts | undefined } {
    if (chip === undefined) return { outcome: noChip, facts: undefined }
    const { value } = this.#chip
    const facts = this.#chip.read(chip) ? chipFacts(value) : undefined
    if (facts === undefined) return { outcome: { ...noChip, verdict: 'unverifiable' }, facts: undefined }
    const psn = sequenceNumber ?? sequenceOf(value(tags.sequence)) ?? card.sequenceNumber
    const outcome = this.#module.verifyCryptogram({ name: 'imk-ac', pan, psn, chip: value })
    if (card.scriptPending === undefined || messageClass.endsWith('advice')) return { outcome, facts }
    const command = card.scriptPending
    const withScript = (found: CryptogramOutcome): Eventually<ChipOutcome> => {
      if (found.verdict !== 'matched') return found
      const script = this.#makeScript(chip, { macKeyName: 'imk-smi', pan, psn, command })
      return isPending(script) ? script.then((made) => ({ ...found, script: made })) : { ...found, script }
    }
    return { outcome: isPending(outcome) ? outcome.then(withScript) : withScript(outcome), facts }
  }

  /** @returns undefined when it cannot be made, such as without a key: the script waits, and the request goes on */
  #makeScript(chip: Uint8Array, order: Omit<ScriptOrder, 'chip'>): Eventually<Uint8Array | undefined> {
    const unmade = (error: unknown) => {
      if (error instanceof MizanError && error.code !== 'ASSERTION_FAILED') return undefined
      throw error
    }
    // While a verdict was awaited, other chip data may have been read.
    this.#chip.read(chip)
    try {
      const script = this.#module.makeScript({ ...order, chip: this.#chip.value })
      return isPending(script) ? script.catch(unmade) : script
    } catch (error) {
      return unmade(error)
    }
  }

  /** A chip carries another value (iCVV) than the stripe, so that what is read from one does not make the other. */
  #verifyCardValue(request: AuthorizationRequest, { track2 }: SecurityData, card: Card): Eventually<Verified> {
    if (track2 === undefined) return 'absent'
    const value = track2.discretionary.slice(CARD_VALUE_AT, CARD_VALUE_AT + CARD_VALUE_DIGITS)
    if (value.length < CARD_VALUE_DIGITS || track2.serviceCode !== card.serviceCode) return 'not-matched'
    const { pan, chipRead } = request
    const check = { name: 'cvk', pan, expiry: track2.expiry, serviceCode: track2.serviceCode, value }
    const stripe = () => this.#module.verifyCardValue({ ...check, kind: 'cvv' })
    if (!chipRead) return stripe()
    // Terminals exist that read the chip and send the image of the stripe: the cryptogram is what proves the chip.
    const image = this.#module.verifyCardValue({ ...check, kind: 'icvv' })
    const orStripe = (verdict: Verdict) => (verdict === 'matched' ? verdict : stripe())
    return isPending(image) ? image.then(orStripe) : orStripe(image)
  }

  #verifyPin(request: AuthorizationRequest, security: SecurityData, card: Card): Eventually<Verified> {
    const { pinBlock, securityControl, keySerial } = security
    if (pinBlock === undefined || request.messageClass.endsWith('advice')) return 'absent'
    if (card.pinReference === undefined) return 'unverifiable'
    const { keyIndex, pvv } = card.pinReference
    const control = securityControl === undefined ? undefined : pinControlOf(securityControl)
    // Under a terminal's own key DE53 has nothing to say: the serial number and the block do.
    const said = keySerial === undefined ? control : undefined
    return this.#module.verifyPin({
      key:
        keySerial === undefined
          ? { kind: 'zone', name: `zpk:${request.link}`, ...(said === undefined ? {} : { index: said.keyIndex }) }
          : { kind: 'dukpt', ...terminalKeysOf(keySerial, request.link), serial: keySerial },
      block: pinBlock,
      format: said?.format,
      pan: request.pan,
      reference: { method: 'pvv', name: 'pvk', keyIndex, pvv },
    })
  }

  /** Compared with the code that was sent last, whatever its time: that is for the decision to say. */
  #verifyCode(
    { oneTimeCode: code }: SecurityData,
    { oneTimeCode: sent }: Household,
  ): Eventually<Authentication['oneTimeCode']> {
    if (code === undefined) return undefined
    if (sent === undefined) return { factor: 0, verdict: 'unverifiable' }
    const { factor } = sent
    const verdict = this.#module.verifyOneTimeCode({ name: 'one-time-code', factor, code })
    return isPending(verdict) ? verdict.then((known) => ({ factor, verdict: known })) : { factor, verdict }
  }

  #verifyAssertion(request: AuthorizationRequest, { assertion }: SecurityData): Eventually<AssertionResult> {
    if (assertion === undefined) return { fingerprint: 'absent', facts: undefined }
    const read = readAssertion(assertion.token, assertion.boundTo)
    if (read === undefined) return { fingerprint: 'forged', facts: undefined }
    const { keyId, signed, mac, signedAtMs, nonce, matched } = read
    const judge = (verdict: Verdict): AssertionResult => {
      if (verdict !== 'matched') return { fingerprint: 'forged', facts: undefined }
      if (Math.abs(request.receivedAtMs - signedAtMs) > ASSERTION_VALID_MS) {
        return { fingerprint: 'out-of-time', facts: undefined }
      }
      return { fingerprint: matched ? 'matched' : 'not-matched', facts: { nonce, signedAtMs } }
    }
    const verdict = this.#module.verifyAssertion({ name: `bio:${keyId}`, signed, mac })
    return isPending(verdict) ? verdict.then(judge) : judge(verdict)
  }
}

/** Base keys of a link's own terminals; those of all links stand beside them. */
function terminalKeysOf(serial: Uint8Array, link: string): { readonly name: string; readonly shared: string } {
  const shared = serial.length === AES_SERIAL_BYTES ? 'bdk-aes' : 'bdk'
  return { name: `${shared}:${link}`, shared }
}

/** What a list of answers is once none of them is awaited. */
type Settled<T extends readonly unknown[]> = { readonly [K in keyof T]: Awaited<T[K]> }

/**
 * Verifies the requests of a batch that bring something to verify.
 * @param cache holds their cards already; what is found of a card is looked at, not changed
 */
export async function authenticateAll(
  authenticator: Authenticator,
  works: readonly Work[],
  cache: HouseholdCache,
): Promise<ReadonlyMap<Work, Authentication>> {
  const verified = new Map<Work, Authentication>()
  const pending: Promise<void>[] = []
  for (const work of works) {
    const { request } = work
    if (request.security === undefined) continue
    const answer = authenticator.authenticate(request, cache.get(request.panIndex))
    if (isPending(answer)) pending.push(answer.then((later) => void verified.set(work, later)))
    else verified.set(work, answer)
  }
  if (pending.length > 0) await Promise.all(pending)
  return verified
}

/** What came of chip data: `absent` without any. */
interface ChipOutcome extends Omit<CryptogramOutcome, 'verdict'> {
  readonly verdict: Verified
  readonly script?: Uint8Array | undefined
}

const noChip: ChipOutcome = { verdict: 'absent', answers: undefined }

interface AssertionResult {
  readonly fingerprint: Authentication['fingerprint']
  readonly facts: Authentication['assertion']
}

function collect(
  { verdict, answers, script }: ChipOutcome,
  chip: ChipFacts | undefined,
  cardValue: Verified,
  pin: Verified,
  { fingerprint, facts }: AssertionResult,
  oneTimeCode: Authentication['oneTimeCode'],
): Authentication {
  return {
    pin,
    cardValue,
    cryptogram: verdict,
    chip,
    fingerprint,
    assertion: facts,
    oneTimeCode,
    answers:
      answers === undefined ? undefined : { approved: hexOf(answers.approved), declined: hexOf(answers.declined) },
    script: script === undefined ? undefined : hexOf(script),
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** @returns undefined when a tag that is needed is missing */
function chipFacts(value: ChipTags['value']): ChipFacts | undefined {
  const counter = value(tags.counter)
  const kind = value(tags.kind)?.[0]
  if (counter?.length !== 2) return undefined
  return {
    atc: ((counter[0] as number) << 8) + (counter[1] as number),
    kind: kindOf(kind),
    offlineAuthenticationFailed: ((value(tags.terminalResults)?.[0] ?? 0) & SDA_DDA_CDA_FAILED) !== 0,
    amountPiasters: amountOf(value),
  }
}

/**
 * Not every cryptogram covers the currency (CVN 17 does not), so that leaving it out, or changing it, must not make the
 * amount one that nothing is compared with. Nothing is nothing in every currency.
 */
function amountOf(value: ChipTags['value']): number | undefined {
  const digits = hexOf(value(tags.amount) ?? NOTHING)
  if (!/^\d{12}$/.test(digits)) return undefined
  const amount = Number(digits)
  const currency = value(tags.currency)
  const isPounds = currency?.length === 2 && ((currency[0] as number) << 8) + (currency[1] as number) === EGP_NUMERIC
  return isPounds || currency === undefined || amount === 0 ? amount : undefined
}

/** 9F27, bits 8 and 7 (EMV Book 3, table 15); terminals may leave it out of a request, which then is one. */
function kindOf(kind: number | undefined): ChipFacts['kind'] {
  if (kind === undefined) return 'request'
  return (['declined-offline', 'approved-offline', 'request', 'unknown'] as const)[kind >> 6] ?? 'unknown'
}

function sequenceOf(value: Uint8Array | undefined): string | undefined {
  return value?.length === 1 ? hexOf(value) : undefined
}
