import type { Result } from '../authorization/result.ts'
import { MizanError } from '../errors.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import type { Message } from '../iso8583/message.ts'
import {
  type Element,
  elementValue,
  formatDataset,
  formatElements48,
  parseDataset,
  parseElements48,
} from '../iso8583/tlv.ts'
import type { Eventually } from '../security/security-module.ts'
import { type NetworkHookAnswer, networkCodes } from './session.ts'

/** Which of a link's zone keys is exchanged: its PIN encryption key or its MAC key. */
export const zoneKeyKinds = ['zpk', 'mak'] as const
export type ZoneKeyKind = (typeof zoneKeyKinds)[number]

/** What came of a key block. `checkValue` is the key's, six hex digits; absent when it was not taken. */
export interface KeyExchangeOutcome {
  /** DE39 */
  readonly responseCode: string
  readonly checkValue?: string | undefined
}

/**
 * Takes a zone key that a peer sent, and resolves when it is stored. The same block may come again, also after a
 * restart: it then gives the same outcome and no further key.
 * @param block TR-31 block under the link's key-encryption key
 * @throws MizanError CRYPTO_REFUSED or BAD_INPUT when the block is refused (DE39 63); anything else is our own fault
 * (96)
 */
export type OnKeyExchange = (link: string, kind: ZoneKeyKind, block: string) => Promise<KeyExchangeOutcome>

/** Elements of an 0800 that brings a key, and of its 0810. */
const BLOCK = 'KB'
const KIND = 'KN'
const CHECK_VALUE = 'KC'

interface Exchanged {
  readonly block: string
  readonly answer: Promise<NetworkHookAnswer>
  isPending: boolean
}

/**
 * Zone-key exchange of one link: an 0800 with DE70 101, the key block in element KB, its kind in KN; the 0810 carries
 * the check value in KC. One exchange of a kind runs at a time.
 */
export class KeyExchange {
  readonly #link: string
  readonly #dialect: Dialect
  readonly #codes: Readonly<Record<Result, string>>
  readonly #onKeyExchange: OnKeyExchange
  readonly #last = new Map<ZoneKeyKind, Exchanged>()

  constructor(link: string, dialect: Dialect, codes: Readonly<Record<Result, string>>, onKeyExchange: OnKeyExchange) {
    this.#link = link
    this.#dialect = dialect
    this.#codes = codes
    this.#onKeyExchange = onKeyExchange
  }

  /** Answers an 0800 with DE70 101; never rejects. */
  answer(message: Message): Eventually<NetworkHookAnswer> {
    const elements = elementsIn(message)
    const block = elementValue(elements ?? [], BLOCK)
    const kind = zoneKeyKinds.find(
      (known) =>
        known ===
        elementValue(elements ?? [], KIND)
          ?.trim()
          .toLowerCase(),
    )
    if (block === undefined || block === '' || kind === undefined) {
      return { responseCode: this.#codes['format-error'] }
    }
    const last = this.#last.get(kind)
    if (last?.block === block) return last.answer
    if (last?.isPending === true) return { responseCode: this.#codes['not-in-time'] }
    return this.#begin(kind, block)
  }

  #begin(kind: ZoneKeyKind, block: string): Promise<NetworkHookAnswer> {
    const answer = this.#take(kind, block).then((taken) => {
      begun.isPending = false
      // A block that was refused may be good later, when its key-encryption key is there.
      if (taken.responseCode !== this.#codes.approved) this.#last.delete(kind)
      return taken
    })
    const begun: Exchanged = { block, answer, isPending: true }
    this.#last.set(kind, begun)
    return answer
  }

  async #take(kind: ZoneKeyKind, block: string): Promise<NetworkHookAnswer> {
    try {
      const { responseCode, checkValue } = await this.#onKeyExchange(this.#link, kind, block)
      if (checkValue === undefined) return { responseCode }
      return { responseCode, fields: elementFields(this.#dialect, [{ tag: CHECK_VALUE, value: checkValue }]) }
    } catch (error) {
      const isRefused = error instanceof MizanError && (error.code === 'CRYPTO_REFUSED' || error.code === 'BAD_INPUT')
      return { responseCode: this.#codes[isRefused ? 'security-violation' : 'internal-fault'] }
    }
  }
}

/** DE70 and DE48 of an 0800 that brings a key, in no dialect. */
export function neutralKeyFields(kind: ZoneKeyKind, block: string): Record<number, string> {
  const elements = [
    { tag: KIND, value: kind },
    { tag: BLOCK, value: block },
  ]
  return { 48: formatElements48(elements), 70: networkCodes.keyExchange }
}

/** Fields in no dialect, as a dialect has them: the elements of DE48 move to where it carries them. */
export function neutralFields(dialect: Dialect, fields: Readonly<Record<number, string>>): Record<string, string> {
  const { 48: elements, ...others } = fields
  if (elements === undefined || !usesDatasets(dialect)) return { ...fields }
  const parsed = parseElements48(elements)
  if (parsed.failure !== undefined) throw new MizanError('CODEC_ENCODE_FAILED', 'DE48 does not hold elements')
  return { ...others, ...elementFields(dialect, parsed.elements) }
}

/** The check value in an 0810. */
export function checkValueIn(answer: Message): string | undefined {
  return elementValue(elementsIn(answer) ?? [], CHECK_VALUE)
}

/** Elements of a message; undefined when they cannot be read. */
function elementsIn(message: Message): Element[] | undefined {
  const bytes = usesDatasets(message.dialect) ? (message.bytes(104) ?? Buffer.alloc(0)) : undefined
  const parsed = bytes === undefined ? parseElements48(message.text(48) ?? '') : parseDataset(bytes)
  return parsed.failure === undefined ? parsed.elements : undefined
}

function elementFields(dialect: Dialect, elements: readonly Element[]): Record<string, string> {
  if (usesDatasets(dialect)) return { 104: formatDataset(elements).toString('hex') }
  return { 48: formatElements48(elements) }
}

/** Visa has the elements of DE48 in DE104 (interfaces.md, "DE48 on the domestic dialects"). */
function usesDatasets(dialect: Dialect): boolean {
  return dialect.subfields(104)?.form === 'datasets'
}
