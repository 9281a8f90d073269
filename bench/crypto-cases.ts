import { createHash, randomBytes } from 'node:crypto'
import { assert } from '../src/errors.ts'
import { ChipTags } from '../src/iso8583/chip-tags.ts'
import { readAssertion } from '../src/security/assertion.ts'
import type { TagLookup } from '../src/security/emv/cryptogram-data.ts'
import { familyOf, lengthOf } from '../src/security/keys/key-families.ts'
import type { KeyRecord } from '../src/security/keys/key-record.ts'
import { KeyRing } from '../src/security/keys/key-ring.ts'
import { PAN_ENCRYPTION_KEY, PAN_INDEX_KEY, type PanProtection, panProtection } from '../src/security/pan-protection.ts'
import { SoftwareModule } from '../src/security/software-module.ts'
import { ChipCard } from '../src/simulator/chip-card.ts'
import { ChipIssuer } from '../src/simulator/chip-issuer.ts'
import { DemoIssuer, PSN } from '../src/simulator/demo-issuer.ts'
import { demoKeysByName } from '../src/simulator/demo-key-store.ts'
import { type DemoKeys, demoKeys } from '../src/simulator/demo-keys.ts'
import { demoHousehold } from '../src/simulator/demo-world.ts'
import { FingerprintReader } from '../src/simulator/fingerprint-reader.ts'
import { AesDukptPinPad, DukptPinPad, type EnteredPin, type PinPad, ZonePinPad } from '../src/simulator/pin-pad.ts'

/** What one card brings to one transaction, ready to be verified. */
export interface CryptoCase {
  readonly pan: string
  readonly expiry: string
  readonly icvv: string
  readonly pvki: number
  readonly pvv: string
  readonly zonePin: Buffer
  readonly dukptPin: Buffer
  readonly dukptSerial: Buffer
  readonly aesPin: Buffer
  readonly aesSerial: Buffer
  readonly chip: TagLookup
  readonly message: Buffer
  readonly mac: Uint8Array
  readonly signed: Uint8Array
  readonly assertionMac: Uint8Array
}

/** The module with the demo keys, the clear keys for the comparison, and cases to go round. */
export interface CryptoBench {
  readonly module: SoftwareModule
  readonly protection: PanProtection
  readonly keys: DemoKeys
  /** Clear key of `pan-index`. */
  readonly panIndexKey: Buffer
  readonly cases: readonly CryptoCase[]
}

/** Bytes under a message MAC. */
export const MESSAGE_BYTES = 200
export const LINK = 'ascii'
export const BIOMETRIC_KEY_ID = '00000001'
const TERMINALS = 32
const CARDS = 512

/** Makes a key ring with the demo keys, and what so many cards bring. */
export function cryptoBench(cards = CARDS): CryptoBench {
  const keys = demoKeys(1)
  const ring = new KeyRing(randomBytes(32))
  const module = new SoftwareModule(ring, () => Date.now())
  const panIndexKey = createHash('sha256').update('bench pan index').digest()
  const clear = demoKeysByName(keys, [LINK])
  clear.set(PAN_INDEX_KEY, panIndexKey.toString('hex'))
  clear.set(PAN_ENCRYPTION_KEY, createHash('sha256').update('bench pan encryption').digest('hex'))
  ring.load([...clear].map(([name, hex]) => recordOf(module, name, hex)))
  const protection = panProtection(ring, () => Date.now())
  return { module, protection, keys, panIndexKey, cases: casesOf(keys, module, cards) }
}

function recordOf(module: SoftwareModule, name: string, hex: string): KeyRecord {
  const family = familyOf(name)
  const { usage, modeOfUse, exportability } = family
  const { algorithm } = lengthOf(family)
  const made = module.protect({ usage, algorithm, modeOfUse, exportability }, Buffer.from(hex, 'hex'))
  return { ...made, name, version: 1, status: 'active', validFromMs: 0, validToMs: undefined }
}

function casesOf(keys: DemoKeys, module: SoftwareModule, cards: number): CryptoCase[] {
  const zone = new ZonePinPad(keys.zpk)
  const terminal = (n: number) => n.toString(16).padStart(4, '0')
  // One serial number ends where its counter's 21 bits begin.
  const tdesPads = Array.from(
    { length: TERMINALS },
    (_, n) => new DukptPinPad(keys.bdk, `FFFF98765432${terminal(n * 32)}0000`),
  )
  const aesPads = Array.from(
    { length: TERMINALS },
    (_, n) => new AesDukptPinPad(keys.bdkAes, `123456789012${terminal(n)}`),
  )
  const issuer = new DemoIssuer(keys)
  const chips = new ChipIssuer(keys)
  const clock = { now: () => Date.now() }
  const reader = new FingerprintReader(BIOMETRIC_KEY_ID, keys.biometric[BIOMETRIC_KEY_ID] ?? '', 'H0001001', clock)
  return Array.from({ length: cards }, (_, at) => {
    const household = demoHousehold(1, at + 1, false)
    const { pan, expiry, pin } = household
    const { icvv, pvki, pvv } = issuer.values(household)
    const dukpt = entered(tdesPads[at % TERMINALS], pin, pan)
    const aes = entered(aesPads[at % TERMINALS], pin, pan)
    const message = createHash('shake256', { outputLength: MESSAGE_BYTES }).update(`message ${at}`).digest()
    const token = Buffer.from(reader.read(`household ${at}`, true, `${pan}|000000012500|000001|H0001001`), 'hex')
    const assertion = readAssertion(token, `${pan}|000000012500|000001|H0001001`)
    assert(assertion !== undefined, 'a reader makes tokens')
    return {
      pan,
      expiry,
      icvv,
      pvki,
      pvv,
      zonePin: zone.enter(pin, pan).block,
      dukptPin: dukpt.block,
      dukptSerial: Buffer.from(dukpt.serial ?? '', 'hex'),
      aesPin: aes.block,
      aesSerial: Buffer.from(aes.serial ?? '', 'hex'),
      chip: chipOf(chips, pan, pin),
      message,
      mac: module.generateMac(`mak:${LINK}`, message),
      signed: assertion.signed,
      assertionMac: assertion.mac,
    }
  })
}

function entered(pad: PinPad | undefined, pin: string, pan: string): EnteredPin {
  assert(pad !== undefined, 'there are PIN pads')
  return pad.enter(pin, pan)
}

/** Chip data of a card with cryptogram version 18. */
function chipOf(issuer: ChipIssuer, pan: string, pin: string): TagLookup {
  const card = new ChipCard(issuer, { pan, psn: PSN, pin }, 0x12)
  const tags = new ChipTags()
  const data = card.authorize({ amountPiasters: 12_500, type: '00', date: 20_261_122, onlinePin: true })
  assert(tags.read(data), 'chip data can be read')
  return tags.value
}
