import { randomBytes } from 'node:crypto'
import { MizanError } from '../errors.ts'
import { ProtectionKey } from './key-blocks/derive.ts'
import type { KeyBlockHeader } from './key-blocks/header.ts'
import { unwrapKeyBlock } from './key-blocks/unwrap.ts'
import { assertCombination, assertExportable, assertSound, assertUsable } from './key-blocks/usage.ts'
import { wrapKeyBlock } from './key-blocks/wrap.ts'
import { checkValueOf } from './keys/check-value.ts'
import type { KeyRing, LoadedKey } from './keys/key-ring.ts'
import { HmacSha256 } from './primitives/hmac.ts'
import { setOddParity } from './primitives/key-checks.ts'
import { retailMac } from './primitives/mac.ts'
import { oneTimeCode } from './primitives/one-time-code.ts'
import { equalSecret, wipe } from './primitives/secrets.ts'
import type {
  AssertionCheck,
  CardValueCheck,
  CryptogramCheck,
  CryptogramOutcome,
  ExpectedKey,
  KeyAttributes,
  KeyName,
  KeyOrder,
  OneTimeCodeCheck,
  PinCheck,
  PinTranslation,
  ProtectedKey,
  ScriptOrder,
  SecurityModule,
  Verdict,
} from './security-module.ts'
import { CardVerbs } from './software/card-verbs.ts'
import { desOf, Engines } from './software/engines.ts'
import { PinVerbs } from './software/pin-verbs.ts'

const MAC_BYTES = 8
const ASSERTION_MAC_BYTES = 16

/**
 * The verbs done in this process, with the keys of a ring. What that does not protect against is said in
 * docs/security.md; the answers come at once, which is what the message path counts on.
 */
export class SoftwareModule implements SecurityModule {
  readonly description = 'software, keys in the memory of this process'
  /** Called for each message that verifies under the newest of several versions of a link's key in use. */
  onNewestUsed: ((name: KeyName, version: number) => void) | undefined
  readonly #ring: KeyRing
  readonly #now: () => number
  readonly #pins: PinVerbs
  readonly #cards: CardVerbs
  readonly #macs = new Engines(desOf)
  readonly #hmacs = new Engines(({ bytes }) => new HmacSha256(bytes))

  /** @param now milliseconds since 1970 UTC: keys have a time in which they are valid */
  constructor(ring: KeyRing, now: () => number) {
    this.#ring = ring
    this.#now = now
    this.#pins = new PinVerbs(ring, now, (key) => this.#noteUse(key))
    this.#cards = new CardVerbs(ring, now)
  }

  verifyPin(check: PinCheck): Verdict {
    return this.#pins.verify(check)
  }

  translatePin(order: PinTranslation): Uint8Array {
    return this.#pins.translate(order)
  }

  verifyCardValue(check: CardValueCheck): Verdict {
    return this.#cards.verifyValue(check)
  }

  verifyCryptogram(check: CryptogramCheck): CryptogramOutcome {
    return this.#cards.verifyCryptogram(check)
  }

  makeScript(order: ScriptOrder): Uint8Array {
    return this.#cards.makeScript(order)
  }

  generateMac(name: KeyName, data: Uint8Array): Uint8Array {
    const key = this.#ring.current(name, { usage: 'M3', operation: 'generate' }, this.#now())
    return retailMac(this.#macs.of(key), data, 1)
  }

  verifyMac(name: KeyName, data: Uint8Array, mac: Uint8Array): Verdict {
    const accepted = this.#ring.accepted(name, this.#now())
    if (accepted.length === 0 || mac.length !== MAC_BYTES) return 'unverifiable'
    for (const key of accepted) {
      assertUsable(key.header, { usage: 'M3', operation: 'verify' })
      if (!equalSecret(retailMac(this.#macs.of(key), data, 1), mac)) continue
      if (accepted.length > 1 && key === accepted[0]) this.#noteUse(key)
      return 'matched'
    }
    return 'not-matched'
  }

  verifyAssertion({ name, signed, mac }: AssertionCheck): Verdict {
    const accepted = this.#ring.accepted(name, this.#now())
    if (accepted.length === 0 || mac.length !== ASSERTION_MAC_BYTES) return 'unverifiable'
    for (const key of accepted) {
      assertUsable(key.header, { usage: 'M7', operation: 'verify' })
      const expected = this.#hmacs.of(key).mac(signed).subarray(0, ASSERTION_MAC_BYTES)
      if (equalSecret(expected, mac)) return 'matched'
    }
    return 'not-matched'
  }

  makeOneTimeCode(name: KeyName, factor: number): string {
    const key = this.#ring.current(name, { usage: 'M7', operation: 'generate' }, this.#now())
    return oneTimeCode(this.#hmacs.of(key), factor)
  }

  verifyOneTimeCode({ name, factor, code }: OneTimeCodeCheck): Verdict {
    const accepted = this.#ring.accepted(name, this.#now())
    if (accepted.length === 0) return 'unverifiable'
    for (const key of accepted) {
      assertUsable(key.header, { usage: 'M7', operation: 'verify' })
      const expected = oneTimeCode(this.#hmacs.of(key), factor)
      if (equalSecret(Buffer.from(expected), Buffer.from(code))) return 'matched'
    }
    return 'not-matched'
  }

  #noteUse({ record }: LoadedKey): void {
    this.onNewestUsed?.(record.name, record.version)
  }

  importKeyBlock(block: string, under: KeyName, { usage, operations = [] }: ExpectedKey): ProtectedKey {
    const kek = this.#ring.current(under, { usage: ['K0', 'K1'], operation: 'unwrap' }, this.#now())
    // One binding method for each key (X9.143:2021). Nothing new should come in versions A and C, which are weaker.
    const version = blockVersionOf(kek)
    if (block[0] !== version) {
      throw new MizanError('CRYPTO_REFUSED', `key blocks under ${under} are of version ${version}, this is not one`)
    }
    const protection = new ProtectionKey(version, kek.bytes)
    try {
      const { header, key } = unwrapKeyBlock(protection, block)
      try {
        if (header.usage !== usage) {
          throw new MizanError('CRYPTO_REFUSED', `the block holds a key of usage ${header.usage}, not ${usage}`)
        }
        for (const operation of operations) assertUsable(header, { usage, operation })
        return this.protect(header, key)
      } finally {
        wipe(key)
      }
    } finally {
      protection.wipe()
    }
  }

  exportKeyBlock(name: KeyName, version: number, under: KeyName): string {
    const kek = this.#ring.current(under, { usage: ['K0', 'K1'], operation: 'wrap' }, this.#now())
    const loaded = this.#ring.versions(name).find(({ record }) => record.version === version)
    if (loaded === undefined) throw new MizanError('NOT_FOUND', `there is no key ${name} version ${version}`)
    assertExportable(loaded.header)
    const protection = new ProtectionKey(blockVersionOf(kek), kek.bytes)
    try {
      return wrapKeyBlock(protection, { ...loaded.header, version: protection.version, keyContext: '0' }, loaded.bytes)
    } finally {
      protection.wipe()
    }
  }

  generateKey({ keyBytes, ...attributes }: KeyOrder): ProtectedKey {
    const key = randomBytes(keyBytes)
    try {
      if (attributes.algorithm === 'T') setOddParity(key)
      return this.protect(attributes, key)
    } finally {
      wipe(key)
    }
  }

  /**
   * Puts a clear key into a block under the master key: for what comes out of components, or is made here.
   * @param key the caller's to wipe
   * @throws MizanError CRYPTO_REFUSED when usage, algorithm and mode do not go together or the key protects nothing
   */
  protect({ usage, algorithm, modeOfUse, exportability }: KeyAttributes, key: Uint8Array): ProtectedKey {
    const own: KeyBlockHeader = {
      version: 'D',
      usage,
      algorithm,
      modeOfUse,
      keyVersion: '00',
      exportability,
      keyContext: '1',
      optionalBlocks: [],
    }
    assertCombination(own)
    assertSound(own.algorithm, key)
    const block = wrapKeyBlock(this.#ring.protection, own, key)
    return { usage, algorithm, modeOfUse, exportability, checkValue: checkValueOf(algorithm, key), block }
  }
}

function blockVersionOf({ header }: LoadedKey): 'B' | 'D' {
  return header.algorithm === 'A' ? 'D' : 'B'
}
