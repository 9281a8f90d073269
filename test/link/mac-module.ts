import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { Dialect } from '../../src/iso8583/dialect.ts'
import type { FieldValues } from '../../src/iso8583/encode.ts'
import type { MacModule } from '../../src/link/message-mac.ts'
import type { Eventually, Verdict } from '../../src/security/security-module.ts'

/**
 * ISO 9797-1 algorithm 3 with padding 1, by OpenSSL and not by the program's own DES. Single DES is triple DES with
 * three equal keys.
 * @param key 16 bytes, hex
 */
export function macOf(key: string, data: Uint8Array): Buffer {
  const padded = Buffer.alloc(Math.max(8, Math.ceil(data.length / 8) * 8))
  padded.set(data)
  const [left, right] = [key.slice(0, 16), key.slice(16)].map((half) => Buffer.from(half.repeat(3), 'hex'))
  const chain = createCipheriv('des-ede3-cbc', left as Buffer, Buffer.alloc(8)).setAutoPadding(false)
  const last = chain.update(padded).subarray(-8)
  const inner = createDecipheriv('des-ede3-ecb', right as Buffer, null)
    .setAutoPadding(false)
    .update(last)
  return createCipheriv('des-ede3-ecb', left as Buffer, null)
    .setAutoPadding(false)
    .update(inner)
}

/** A security module that can make and check MACs: at once, later, or not at all. */
export class TestMacModule implements MacModule {
  /** By name, the newest first; hex. */
  readonly keys = new Map<string, string[]>()
  /** Answers on a later turn of the event loop. */
  isLate = false
  /** What fails, as an HSM whose link is down. */
  failing: 'none' | 'verify' | 'generate' = 'none'
  verified = 0

  constructor(keys: Readonly<Record<string, string[]>> = {}) {
    for (const [name, versions] of Object.entries(keys)) this.keys.set(name, versions)
  }

  generateMac(name: string, data: Uint8Array): Eventually<Uint8Array> {
    return this.#answer('generate', () => {
      const [newest] = this.keys.get(name) ?? []
      if (newest === undefined) throw new Error(`there is no key ${name}`)
      return macOf(newest, data)
    })
  }

  verifyMac(name: string, data: Uint8Array, mac: Uint8Array): Eventually<Verdict> {
    this.verified += 1
    return this.#answer('verify', () => {
      const versions = this.keys.get(name) ?? []
      if (versions.length === 0) return 'unverifiable'
      return versions.some((key) => macOf(key, data).equals(mac)) ? 'matched' : 'not-matched'
    })
  }

  #answer<T>(verb: 'verify' | 'generate', work: () => T): Eventually<T> {
    const all = () => {
      if (this.failing === verb) throw new Error('the security module is away')
      return work()
    }
    if (!this.isLate) return all()
    return new Promise((resolve) => setImmediate(resolve)).then(all)
  }
}

/** A message with its MAC in a field, as a peer makes it. */
export function sealed(dialect: Dialect, mti: string, fields: FieldValues, key: string, field = 64): Buffer {
  const values: FieldValues = [...fields]
  values[field] = '00'.repeat(8)
  const body = dialect.encode(mti, values)
  const isHex = dialect.field(field)?.content === 'hex-ascii'
  const at = body.length - (isHex ? 16 : 8)
  const mac = macOf(key, body.subarray(0, at))
  if (isHex) body.write(mac.toString('hex').toUpperCase(), at, 'latin1')
  else mac.copy(body, at)
  return body
}
