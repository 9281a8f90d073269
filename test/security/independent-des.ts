/** The same values by another way: `node:crypto` and texts, for the tests to compare with. Slow and plain on purpose. */
import { createCipheriv, createDecipheriv } from 'node:crypto'

/** Single DES is not offered any more; EDE with one key three times is the same. */
function tripled(key: Uint8Array): Buffer {
  if (key.length === 8) return Buffer.concat([key, key, key])
  return key.length === 16 ? Buffer.concat([key, key.subarray(0, 8)]) : Buffer.from(key)
}

export function desEncrypt(key: Uint8Array, data: Uint8Array, iv?: Uint8Array): Buffer {
  const name = iv === undefined ? 'des-ede3-ecb' : 'des-ede3-cbc'
  const cipher = createCipheriv(name, tripled(key), iv ?? null).setAutoPadding(false)
  return Buffer.concat([cipher.update(data), cipher.final()])
}

export function desDecrypt(key: Uint8Array, data: Uint8Array): Buffer {
  const decipher = createDecipheriv('des-ede3-ecb', tripled(key), null).setAutoPadding(false)
  return Buffer.concat([decipher.update(data), decipher.final()])
}

/** Digits by two scans over the hex text. */
export function twoScan(bytes: Uint8Array, count: number): string {
  const hex = Buffer.from(bytes).toString('hex')
  const letters = hex.replace(/[0-9]/g, '').replace(/[a-f]/g, (letter) => String(Number.parseInt(letter, 16) - 10))
  return (hex.replace(/[a-f]/g, '') + letters).slice(0, count)
}

/** Cipher text whose digits are the CVV. */
export function cvvCipherText(key: Uint8Array, pan: string, expiry: string, serviceCode: string): Buffer {
  const block = Buffer.from((pan + expiry + serviceCode).padEnd(32, '0'), 'hex')
  const first = desEncrypt(key.subarray(0, 8), block.subarray(0, 8))
  return desEncrypt(key, exclusiveOr(first, block.subarray(8)))
}

/** Cipher text whose digits are the PVV. */
export function pvvCipherText(key: Uint8Array, pan: string, keyIndex: string, pin: string): Buffer {
  return desEncrypt(key, Buffer.from(pan.slice(-12, -1) + keyIndex + pin.slice(0, 4), 'hex'))
}

/** MAC algorithm 3 of ISO/IEC 9797-1 as its text describes it: CBC by one key, then decryption and encryption. */
export function retailMacOf(key: Uint8Array, padded: Uint8Array): Buffer {
  const first = key.subarray(0, 8)
  const chained = desEncrypt(first, padded, Buffer.alloc(8))
  return desEncrypt(first, desDecrypt(key.subarray(8, 16), chained.subarray(-8)))
}

export function exclusiveOr(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)))
}
