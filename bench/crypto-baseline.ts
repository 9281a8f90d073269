import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import {
  CRYPTOGRAM_DATA_MAX,
  cryptogramVersionOf,
  requireIssuerData,
  type TagLookup,
  writeCryptogramData,
} from '../src/security/emv/cryptogram-data.ts'
import { setOddParity } from '../src/security/primitives/key-checks.ts'

/*
 * What the security module does, done with node:crypto in the plain way: a cipher is made for each use of a key, keys are
 * derived anew each time. It shares no cipher code with the module, so that it also checks it; the data under a
 * cryptogram are laid out by the same code.
 */

function tdes(key: Buffer, data: Buffer): Buffer {
  const cipher = createCipheriv('des-ede-ecb', key, null).setAutoPadding(false)
  return cipher.update(data)
}

function undoTdes(key: Buffer, data: Buffer): Buffer {
  return createDecipheriv('des-ede-ecb', key, null).setAutoPadding(false).update(data)
}

/** Single DES: TDEA under the same half twice, as OpenSSL 3 has no other. */
function des(half: Buffer, data: Buffer): Buffer {
  return tdes(Buffer.concat([half, half]), data)
}

function aes(key: Buffer, data: Buffer): Buffer {
  return createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(data)
}

function xor(left: Buffer, right: Buffer): Buffer {
  const out = Buffer.from(left)
  for (const [at, byte] of right.entries()) out[at] = (out[at] as number) ^ byte
  return out
}

function odd(key: Buffer): Buffer {
  setOddParity(key)
  return key
}

function twoScans(bytes: Buffer, count: number): string {
  const hex = bytes.toString('hex')
  const letters = [...hex.replace(/\d/g, '')].map((letter) => letter.charCodeAt(0) - 97).join('')
  return (hex.replace(/\D/g, '') + letters).slice(0, count)
}

/** PIN under a key in format 0, compared by its PVV. */
export function verifyPin0(zone: Buffer, pvk: Buffer, block: Buffer, pan: string, pvki: number, pvv: string): boolean {
  return verifyClear0(undoTdes(zone, block), pvk, pan, pvki, pvv)
}

function verifyClear0(block: Buffer, pvk: Buffer, pan: string, pvki: number, pvv: string): boolean {
  const field = xor(block, Buffer.from(`0000${pan.slice(-13, -1)}`, 'hex')).toString('hex')
  const length = Number.parseInt(field[1] ?? '', 16)
  if (field[0] !== '0' || !/^\d+f*$/.test(field.slice(2)) || !(length >= 4)) return false
  return pvv === pvvOf(pvk, pan, pvki, field.slice(2, 6))
}

function pvvOf(pvk: Buffer, pan: string, pvki: number, pin: string): string {
  return twoScans(tdes(pvk, Buffer.from(`${pan.slice(-12, -1)}${pvki}${pin}`, 'hex')), 4)
}

/** Card verification value; 999 as the service code for iCVV. */
export function cardValue(cvk: Buffer, pan: string, expiry: string, serviceCode: string): string {
  const data = Buffer.from(`${pan}${expiry}${serviceCode}`.padEnd(32, '0'), 'hex')
  const first = des(cvk.subarray(0, 8), data.subarray(0, 8))
  return twoScans(tdes(cvk, xor(first, data.subarray(8))), 3)
}

/** ISO 9797-1 algorithm 3 over data that is padded to whole blocks. */
function retail(key: Buffer, padded: Buffer): Buffer {
  const half = key.subarray(0, 8)
  const zeros = Buffer.alloc(8)
  const chained = createCipheriv('des-ede-cbc', Buffer.concat([half, half]), zeros)
    .setAutoPadding(false)
    .update(padded)
  const state = chained.subarray(chained.length - 16, chained.length - 8)
  return tdes(key, xor(padded.subarray(padded.length - 8), state))
}

/** Message MAC: padding 1. */
export function messageMac(key: Buffer, data: Buffer): Buffer {
  return retail(key, Buffer.concat([data, Buffer.alloc((8 - (data.length % 8)) % 8)]))
}

function padded2(data: Buffer): Buffer {
  const out = Buffer.alloc((Math.floor(data.length / 8) + 1) * 8)
  data.copy(out)
  out[data.length] = 0x80
  return out
}

/** A cryptogram of version 18, and the response cryptograms over both card status updates. */
export function verifyCryptogram18(
  issuerKey: Buffer,
  pan: string,
  psn: string,
  chip: TagLookup,
  updates: readonly [Buffer, Buffer],
): readonly [Buffer, Buffer] | undefined {
  const block = Buffer.from(`${pan}${psn}`.slice(-16), 'hex')
  const cardKey = odd(tdes(issuerKey, Buffer.concat([block, xor(block, Buffer.alloc(8, 0xff))])))
  const counter = Buffer.from(chip(0x9f36) ?? [])
  const left = Buffer.concat([counter, Buffer.from('f00000000000', 'hex')])
  const right = Buffer.concat([counter, Buffer.from('0f0000000000', 'hex')])
  const sessionKey = odd(tdes(cardKey, Buffer.concat([left, right])))
  const data = Buffer.alloc(CRYPTOGRAM_DATA_MAX)
  const length = writeCryptogramData(cryptogramVersionOf(requireIssuerData(chip)), chip, data)
  const cryptogram = retail(sessionKey, padded2(data.subarray(0, length)))
  if (!cryptogram.equals(chip(0x9f26) ?? Buffer.alloc(0))) return undefined
  const answer = (update: Buffer) =>
    Buffer.concat([retail(sessionKey, padded2(Buffer.concat([cryptogram, update]))).subarray(0, 4), update])
  return [answer(updates[0]), answer(updates[1])]
}

const C0_MASK = Buffer.from('c0c0c0c000000000c0c0c0c000000000', 'hex')

/** PIN under a TDES DUKPT key (X9.24-1:2009): initial key, and a step for each set bit of the counter. */
export function verifyPinDukpt(
  bdk: Buffer,
  serial: Buffer,
  pvk: Buffer,
  block: Buffer,
  pan: string,
  pvki: number,
  pvv: string,
): boolean {
  const device = Buffer.from(serial.subarray(0, 8))
  device[7] = (device[7] as number) & 0xe0
  let key = Buffer.concat([tdes(bdk, device), tdes(xor(bdk, C0_MASK), device)])
  const register = Buffer.from(serial.subarray(2))
  const counter = register.readUIntBE(5, 3) & 0x1f_ffff
  register[5] = (register[5] as number) & 0xe0
  register.writeUInt16BE(0, 6)
  for (let bit = 1 << 20; bit > 0; bit >>>= 1) {
    if ((counter & bit) === 0) continue
    register.writeUIntBE(register.readUIntBE(5, 3) | bit, 5, 3)
    const half = (from: Buffer) => xor(des(from.subarray(0, 8), xor(register, from.subarray(8))), from.subarray(8))
    key = Buffer.concat([half(xor(key, C0_MASK)), half(key)])
  }
  return verifyClear0(undoTdes(xor(key, Buffer.from('00000000000000ff'.repeat(2), 'hex')), block), pvk, pan, pvki, pvv)
}

/** PIN in format 4 under an AES-128 DUKPT key (X9.24-3:2017). */
export function verifyPinDukptAes(
  bdk: Buffer,
  serial: Buffer,
  pvk: Buffer,
  block: Buffer,
  pan: string,
  pvki: number,
  pvv: string,
): boolean {
  const head = (usage: string) => Buffer.from(`0101${usage}00020080`, 'hex')
  let key = aes(bdk, Buffer.concat([head('8001'), serial.subarray(0, 8)]))
  const counter = serial.readUInt32BE(8)
  const tail = Buffer.concat([serial.subarray(4, 8), Buffer.alloc(4)])
  let walked = 0
  for (let bit = 0x8000_0000; bit > 0; bit = Math.floor(bit / 2)) {
    if ((counter & bit) === 0) continue
    walked += bit
    tail.writeUInt32BE(walked, 4)
    key = aes(key, Buffer.concat([head('8000'), tail]))
  }
  const pinKey = aes(key, Buffer.concat([head('1000'), serial.subarray(4)]))
  const undo = (data: Buffer) => createDecipheriv('aes-128-ecb', pinKey, null).setAutoPadding(false).update(data)
  const panField = Buffer.from(`${pan.length - 12}${pan}`.padEnd(32, '0'), 'hex')
  const field = undo(xor(undo(block), panField)).toString('hex')
  if (!/^4[4-9a-c]\d+a*$/.test(field.slice(0, 16))) return false
  return pvv === pvvOf(pvk, pan, pvki, field.slice(2, 6))
}

/** First 16 bytes of HMAC-SHA256: assertions, and the index of a PAN. */
export function hmac16(key: Buffer, data: Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest().subarray(0, 16)
}
