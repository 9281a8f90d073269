import { createHash } from 'node:crypto'
import type { MacModule } from '../link/message-mac.ts'
import type { AssertionCheck, Eventually, PinCheck, Verdict } from '../security/security-module.ts'
import type { Timing } from '../timing.ts'
import type { VerifyingModule } from '../writer/authenticator.ts'

const MAC_BYTES = 8
const ASSERTION_MAC_BYTES = 16
const ASSERTION_KEY = 'a key of fingerprint readers'
export const ASSERTION_KEY_ID = '00000001'

/** Versions of the links' MAC keys: those that are taken, the newest first. Shared by the switch and its peers. */
export class LinkKeys {
  readonly #versions = new Map<string, number[]>()

  constructor(links: readonly string[]) {
    for (const link of links) this.#versions.set(link, [1])
  }

  /** A new version is there; the last one stays good until {@link retire}. */
  rotate(link: string): void {
    const versions = this.#versions.get(link) ?? []
    this.#versions.set(link, [(versions[0] ?? 0) + 1, ...versions].slice(0, 2))
  }

  retire(link: string): void {
    this.#versions.set(link, (this.#versions.get(link) ?? []).slice(0, 1))
  }

  accepted(link: string): readonly number[] {
    return this.#versions.get(link) ?? []
  }
}

/** A MAC of eight bytes under one version of a link's key. */
export function macOf(link: string, version: number, data: Uint8Array): Buffer {
  return createHash('sha256').update(`mac ${link} ${version}`).update(data).digest().subarray(0, MAC_BYTES)
}

/** What a PIN pad makes of a card's right PIN; anything else is wrong. */
export function pinBlockOf(pan: string): Buffer {
  return createHash('sha256').update(`pin ${pan}`).digest().subarray(0, MAC_BYTES)
}

/** The last bytes of a fingerprint reader's token. */
export function assertionMac(signed: Uint8Array): Buffer {
  return createHash('sha256').update(ASSERTION_KEY).update(signed).digest().subarray(0, ASSERTION_MAC_BYTES)
}

/** The cryptography of a simulation: hashes in the place of ciphers, at once or as late as a module over a link. */
export class SimulatedModule implements VerifyingModule, MacModule {
  readonly #keys: LinkKeys
  readonly #timing: Timing
  readonly #lateMs: () => number

  /** @param lateMs how long an answer takes; 0 = it comes at once */
  constructor(keys: LinkKeys, timing: Timing, lateMs: () => number) {
    this.#keys = keys
    this.#timing = timing
    this.#lateMs = lateMs
  }

  verifyPin({ block, pan }: PinCheck): Eventually<Verdict> {
    return this.#answer(() => (pinBlockOf(pan).equals(block) ? 'matched' : 'not-matched'))
  }

  verifyAssertion({ signed, mac }: AssertionCheck): Eventually<Verdict> {
    return this.#answer(() => (assertionMac(signed).equals(mac) ? 'matched' : 'not-matched'))
  }

  generateMac(name: string, data: Uint8Array): Eventually<Uint8Array> {
    const link = name.replace('mak:', '')
    const copy = Buffer.from(data)
    return this.#answer(() => macOf(link, this.#keys.accepted(link)[0] ?? 0, copy))
  }

  verifyMac(name: string, data: Uint8Array, mac: Uint8Array): Eventually<Verdict> {
    const link = name.replace('mak:', '')
    const copy = Buffer.from(data)
    return this.#answer(() => {
      const versions = this.#keys.accepted(link)
      if (versions.length === 0) return 'unverifiable'
      return versions.some((version) => macOf(link, version, copy).equals(mac)) ? 'matched' : 'not-matched'
    })
  }

  /** Nobody in the simulation is sent a code. */
  verifyOneTimeCode(): Verdict {
    return 'unverifiable'
  }

  /** No card of the simulation has a stripe or a chip. */
  verifyCardValue(): Verdict {
    return 'unverifiable'
  }

  verifyCryptogram(): { verdict: Verdict; answers: undefined } {
    return { verdict: 'unverifiable', answers: undefined }
  }

  makeScript(): Uint8Array {
    return new Uint8Array(0)
  }

  #answer<T>(work: () => T): Eventually<T> {
    const lateMs = this.#lateMs()
    if (lateMs === 0) return work()
    return new Promise((resolve) => this.#timing.after(lateMs, () => resolve(work())))
  }
}
