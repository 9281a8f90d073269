import { assert } from '../errors.ts'
import {
  AES_KSN_BYTES,
  deriveAesInitialKey,
  deriveAesTransactionKey,
  deriveAesWorkingKey,
} from '../security/dukpt/aes.ts'
import {
  DUKPT_TDES_KEY_BYTES,
  deriveTdesInitialKey,
  deriveTdesTransactionKey,
  deriveTdesWorkingKey,
  TDES_KSN_BYTES,
} from '../security/dukpt/tdes.ts'
import { encipherPinBlock, type PinBlockKey, pinBlockBytes } from '../security/pin/pin-cipher.ts'
import { AesKey } from '../security/primitives/aes.ts'
import { DesKey } from '../security/primitives/des.ts'
import { setBits } from '../security/primitives/words.ts'

/** A PIN as it leaves the pad: enciphered. */
export interface EnteredPin {
  /** DE52: 8 bytes, or 16 in format 4. */
  readonly block: Buffer
  readonly format: 0 | 3 | 4
  /** Key serial number in hex (DE48 KS); undefined under a zone key. */
  readonly serial: string | undefined
}

/** Where a cardholder types the PIN. */
export interface PinPad {
  /** @param pin 4 to 12 digits as text: demo PINs are no secret */
  enter(pin: string, pan: string): EnteredPin
}

/** A pad whose blocks are under the zone key of its link. */
export class ZonePinPad implements PinPad {
  readonly #by: { readonly format: 0 | 3; readonly key: DesKey }

  /** @param zoneKey hex @param format of ISO 9564-1. @default 0 */
  constructor(zoneKey: string, format: 0 | 3 = 0) {
    this.#by = { format, key: new DesKey(Buffer.from(zoneKey, 'hex')) }
  }

  enter(pin: string, pan: string): EnteredPin {
    return { block: encipher(this.#by, pin, pan), format: this.#by.format, serial: undefined }
  }
}

/** Counters with more set bits are skipped, so that no derivation has more steps (X9.24-1:2009, annex A). */
const COUNTER_BITS_MAX = 10

/** A pad with a TDES DUKPT key: each PIN under a key of its own. */
export class DukptPinPad implements PinPad {
  readonly #initialKey = new Uint8Array(DUKPT_TDES_KEY_BYTES)
  readonly #device: Buffer
  #counter: number

  /**
   * @param baseKey hex, 16 bytes
   * @param device key serial number, 10 bytes of hex; the 21 bits of its counter are ignored
   * @param lastCounter counter of the last PIN. @default 0
   */
  constructor(baseKey: string, device: string, lastCounter = 0) {
    this.#device = Buffer.from(device, 'hex')
    assert(this.#device.length === TDES_KSN_BYTES, 'a key serial number has 10 bytes')
    this.#counter = lastCounter
    deriveTdesInitialKey(Buffer.from(baseKey, 'hex'), this.#device, this.#initialKey)
  }

  enter(pin: string, pan: string): EnteredPin {
    do this.#counter += 1
    while (setBits(this.#counter) > COUNTER_BITS_MAX)
    const serial = Buffer.from(this.#device)
    serial[7] = ((serial[7] as number) & 0xe0) | (this.#counter >>> 16)
    serial.writeUInt16BE(this.#counter & 0xffff, 8)
    const key = new Uint8Array(DUKPT_TDES_KEY_BYTES)
    deriveTdesTransactionKey(this.#initialKey, serial, key)
    deriveTdesWorkingKey(key, 'pin', key)
    const block = encipher({ format: 0, key: new DesKey(key) }, pin, pan)
    return { block, format: 0, serial: serial.toString('hex').toUpperCase() }
  }
}

/** A pad with an AES-128 DUKPT key and blocks of format 4, whose 16 bytes only a wider DE52 can carry. */
export class AesDukptPinPad implements PinPad {
  readonly #initialKey = new Uint8Array(16)
  readonly #device: Buffer
  #counter = 0

  /** @param baseKey hex, 16 bytes @param device initial key identifier, 8 bytes of hex */
  constructor(baseKey: string, device: string) {
    this.#device = Buffer.from(device, 'hex')
    deriveAesInitialKey(new AesKey(Buffer.from(baseKey, 'hex')), this.#device, this.#initialKey)
  }

  enter(pin: string, pan: string): EnteredPin {
    this.#counter += 1
    const serial = Buffer.alloc(AES_KSN_BYTES)
    this.#device.copy(serial)
    serial.writeUInt32BE(this.#counter, 8)
    const key = new Uint8Array(16)
    deriveAesTransactionKey(this.#initialKey, serial, key)
    deriveAesWorkingKey(key, serial, 'pin', 'AES128', key)
    const block = encipher({ format: 4, key: new AesKey(key) }, pin, pan)
    return { block, format: 4, serial: serial.toString('hex').toUpperCase() }
  }
}

/** Positions 5 and 6 of DE53. */
const formatCodes = { 0: '01', 3: '03', 4: '04' } as const

/** DE53 of Visa for a block under a zone key (visa-base1.md, section 3): zone-encrypted, TDES, format, key 1. */
export function securityControl({ format }: EnteredPin): string {
  return `2001${formatCodes[format]}0100000000`
}

function encipher(by: PinBlockKey, pin: string, pan: string): Buffer {
  const digits = Uint8Array.from(pin, Number)
  const block = Buffer.alloc(pinBlockBytes(by.format))
  encipherPinBlock(by, digits, digits.length, pan, block)
  return block
}
