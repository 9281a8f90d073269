import { MizanError } from '../../errors.ts'
import { ProtectionKey } from '../key-blocks/derive.ts'
import type { KeyBlockHeader } from '../key-blocks/header.ts'
import { unwrapKeyBlock } from '../key-blocks/unwrap.ts'
import { assertSound, assertUsable, type IntendedUse } from '../key-blocks/usage.ts'
import { wipe } from '../primitives/secrets.ts'
import type { KeyName } from '../security-module.ts'
import { checkValueOf } from './check-value.ts'
import type { KeyRecord } from './key-record.ts'

/** A key that is open in memory. Only this room sees one. */
export interface LoadedKey {
  readonly record: KeyRecord
  readonly header: KeyBlockHeader
  readonly bytes: Uint8Array
}

/**
 * The keys of this process, opened from their blocks: all that are not revoked, since what a retired key protected may
 * still have to be read. A load replaces the ring as a whole or leaves it as it was.
 */
export class KeyRing {
  readonly #protection: ProtectionKey
  #keys: ReadonlyMap<KeyName, Family> = new Map()

  /** @param protectionKey 32 bytes: what the blocks are under (TR-31 version D) */
  constructor(protectionKey: Uint8Array) {
    this.#protection = new ProtectionKey('D', protectionKey)
  }

  /** Protects blocks of the ring. */
  get protection(): ProtectionKey {
    return this.#protection
  }

  /**
   * Opens the keys of these records. A key that did not change stays as it is.
   * @throws MizanError CRYPTO_REFUSED naming key and version: the block was changed, is under another master key, is
   *   not what its record says, or holds a key that protects nothing
   */
  load(records: readonly KeyRecord[]): void {
    const before = new Map(
      [...this.#keys.values()].flatMap(({ versions }) => versions).map((key) => [key.record.block, key]),
    )
    const opened = new Map<KeyName, LoadedKey[]>()
    for (const record of records) {
      if (record.status === 'revoked') continue
      const key = this.#open(record, before.get(record.block))
      opened.set(record.name, [...(opened.get(record.name) ?? []), key])
    }
    this.#keys = new Map(Array.from(opened, ([name, keys]) => [name, new Family(keys)]))
    const kept = new Set([...opened.values()].flat().map(({ bytes }) => bytes))
    for (const { bytes } of before.values()) if (!kept.has(bytes)) wipe(bytes)
  }

  /** Versions that may be used now, the newest first; none for a name that is not there. */
  accepted(name: KeyName, nowMs: number): readonly LoadedKey[] {
    return this.#keys.get(name)?.accepted(nowMs) ?? []
  }

  /** All versions in memory, retired ones too, the newest first. */
  versions(name: KeyName): readonly LoadedKey[] {
    return this.#keys.get(name)?.versions ?? []
  }

  /**
   * The newest version in use, for what is made now; one that its peer has not confirmed only if there is no other.
   * @throws MizanError CRYPTO_REFUSED when there is none, or it may not be used so
   */
  current(name: KeyName, use: IntendedUse, nowMs: number): LoadedKey {
    const accepted = this.accepted(name, nowMs)
    const newest = accepted.find(({ record }) => record.announced !== true) ?? accepted[0]
    if (newest === undefined) throw new MizanError('CRYPTO_REFUSED', `there is no key ${name} in use`)
    assertUsable(newest.header, use)
    return newest
  }

  /**
   * @param known the same block, opened before: its key is taken as it is, but what its record says is checked again
   */
  #open(record: KeyRecord, known: LoadedKey | undefined): LoadedKey {
    const which = `key ${record.name} version ${record.version}`
    try {
      const { header, key } = known === undefined ? unwrapKeyBlock(this.#protection, record.block) : opened(known)
      const matches =
        header.usage === record.usage &&
        header.algorithm === record.algorithm &&
        header.modeOfUse === record.modeOfUse &&
        header.exportability === record.exportability &&
        checkValueOf(header.algorithm, key) === record.checkValue
      if (!matches) throw new MizanError('CRYPTO_REFUSED', 'its block holds another key than its record says')
      assertSound(header.algorithm, key)
      return { record, header, bytes: key }
    } catch (cause) {
      const reason = cause instanceof MizanError ? cause.message : 'it cannot be opened'
      throw new MizanError('CRYPTO_REFUSED', `${which}: ${reason}`, { cause })
    }
  }
}

function opened({ header, bytes }: LoadedKey): { header: KeyBlockHeader; key: Uint8Array } {
  return { header, key: bytes }
}

/** The versions of one key, and which of them may be used: asked for every message, and seldom another answer. */
class Family {
  /** Newest first. */
  readonly versions: readonly LoadedKey[]
  #accepted: readonly LoadedKey[] = []
  #fromMs = 0
  #untilMs = 0

  constructor(keys: readonly LoadedKey[]) {
    this.versions = keys.toSorted((a, b) => b.record.version - a.record.version)
  }

  accepted(nowMs: number): readonly LoadedKey[] {
    if (nowMs >= this.#fromMs && nowMs < this.#untilMs) return this.#accepted
    this.#accepted = this.versions.filter(({ record }) => isInUse(record, nowMs))
    const turns = this.versions.flatMap(({ record }) => [
      record.validFromMs,
      record.validToMs ?? Number.POSITIVE_INFINITY,
    ])
    this.#fromMs = Math.max(Number.NEGATIVE_INFINITY, ...turns.filter((turn) => turn <= nowMs))
    this.#untilMs = Math.min(Number.POSITIVE_INFINITY, ...turns.filter((turn) => turn > nowMs))
    return this.#accepted
  }
}

function isInUse({ status, validFromMs, validToMs }: KeyRecord, nowMs: number): boolean {
  return status === 'active' && nowMs >= validFromMs && (validToMs === undefined || nowMs < validToMs)
}
