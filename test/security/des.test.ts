import { createCipheriv, createDecipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { AesKey } from '../../src/security/primitives/aes.ts'
import { decryptCbc, decryptEcb, encryptCbc, encryptEcb } from '../../src/security/primitives/block-modes.ts'
import type { BlockKey } from '../../src/security/primitives/des.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { desDecrypt, desEncrypt } from './independent-des.ts'

interface Answer {
  readonly id: string
  readonly source: string
  readonly kind: string
  readonly key: string
  readonly data: string
  readonly encrypted: string
}

const answers: readonly Answer[] = JSON.parse(
  readFileSync(new URL('../vectors/crypto-mac.json', import.meta.url), 'utf8'),
)
const hex = (text: string) => Buffer.from(text, 'hex')
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const desKeyBytes = fc.constantFrom(8, 16, 24).chain(bytes)
const aesKeyBytes = fc.constantFrom(16, 24, 32).chain(bytes)
const blocks = (size: number) => fc.integer({ min: 0, max: 6 }).chain((count) => bytes(count * size))

t.test('known answers of the ciphers', async (t) => {
  const keys: Readonly<Record<string, (key: Buffer) => BlockKey>> = {
    'des-ecb': (key) => new DesKey(key),
    'tdes-ecb': (key) => new DesKey(key),
    'aes-ecb': (key) => new AesKey(key),
  }
  let run = 0
  for (const { id, source, kind, key, data, encrypted } of answers) {
    const make = keys[kind]
    if (make === undefined) continue
    run++
    const blockKey = make(hex(key))
    t.same(encryptEcb(blockKey, hex(data)), hex(encrypted), `${id} (${source})`)
    t.same(decryptEcb(blockKey, hex(encrypted)), hex(data), `${id}, back`)
  }
  t.equal(run, 5)
})

t.test('DES by table is DES', async () => {
  fc.assert(
    fc.property(desKeyBytes, bytes(8), (key, data) => {
      const des = new DesKey(key)
      const output = Buffer.alloc(8)
      des.encryptBlock(data, 0, output, 0)
      if (!output.equals(desEncrypt(key, data))) return false
      des.decryptBlock(data, 0, output, 0)
      return output.equals(desDecrypt(key, data))
    }),
    { numRuns: 500 },
  )
})

t.test('each bit of key and data counts, but for parity', async (t) => {
  const key = hex('0123456789ABCDEFFEDCBA98765432108967452301EFCDAB')
  const data = hex('4E6F772069732074')
  const plain = encryptEcb(new DesKey(key), data)
  for (let bit = 0; bit < key.length * 8; bit++) {
    const other = Buffer.from(key)
    other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7))
    const output = encryptEcb(new DesKey(other), data)
    if ((bit & 7) === 7) t.same(output, plain, `bit ${bit} is parity`)
    else t.same(output, desEncrypt(other, data), `bit ${bit}`)
  }
  for (let bit = 0; bit < 64; bit++) {
    const other = Buffer.from(data)
    other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7))
    t.same(encryptEcb(new DesKey(key), other), desEncrypt(key, other), `data bit ${bit}`)
  }
})

t.test('blocks in place, at any offset, and nothing around them', async () => {
  fc.assert(
    fc.property(desKeyBytes, bytes(24), fc.nat(16), fc.nat(16), (key, data, from, to) => {
      const des = new DesKey(key)
      const expected = desEncrypt(key, data.subarray(from, from + 8))
      const output = Buffer.from(data)
      des.encryptBlock(output, from, output, to)
      const whole = Buffer.from(data)
      whole.set(expected, to)
      return output.equals(whole)
    }),
  )
})

t.test('a key can be replaced by another of its length', async (t) => {
  fc.assert(
    fc.property(bytes(16), bytes(40), bytes(8), fc.nat(24), (first, keys, data, at) => {
      const des = new DesKey(first)
      des.setKey(keys, at)
      const output = Buffer.alloc(8)
      des.encryptBlock(data, 0, output, 0)
      return output.equals(desEncrypt(keys.subarray(at, at + 16), data))
    }),
  )
  const des = new DesKey(Buffer.alloc(16))
  t.throws(() => des.setKey(Buffer.alloc(15)), { code: 'ASSERTION_FAILED' })
  t.throws(() => des.setKey(Buffer.alloc(32), 17), { code: 'ASSERTION_FAILED' })
  t.throws(() => des.setKey(Buffer.alloc(32), -1), { code: 'ASSERTION_FAILED' })
})

t.test('single DES with the first half, one block and chained', async () => {
  fc.assert(
    fc.property(desKeyBytes, blocks(8), bytes(8), (key, data, start) => {
      const des = new DesKey(key)
      const first = key.subarray(0, 8)
      const output = Buffer.alloc(8)
      des.encryptWithFirst(start, 0, output, 0)
      if (!output.equals(desEncrypt(first, start))) return false
      const state = Buffer.from(start)
      des.chainWithFirst(data, 0, data.length / 8, state)
      const chained = data.length === 0 ? Buffer.from(start) : desEncrypt(first, data, start).subarray(-8)
      return state.equals(chained)
    }),
  )
})

t.test('a key that is wiped, of a wrong length, or with blocks out of bounds is an error of the program', async (t) => {
  const failed = { code: 'ASSERTION_FAILED' }
  for (const length of [0, 7, 9, 15, 17, 32]) t.throws(() => new DesKey(Buffer.alloc(length)), failed, `DES ${length}`)
  for (const length of [0, 8, 15, 17, 33]) t.throws(() => new AesKey(Buffer.alloc(length)), failed, `AES ${length}`)
  for (const key of [new DesKey(Buffer.alloc(16, 1)), new AesKey(Buffer.alloc(16, 1))]) {
    const block = Buffer.alloc(key.blockBytes)
    for (const at of [-1, 1]) {
      const other = Buffer.alloc(key.blockBytes + 2)
      t.throws(() => key.encryptBlock(block, at, other, 0), failed)
      t.throws(() => key.encryptBlock(other, 0, block, at), failed)
      t.throws(() => key.decryptBlock(block, at, other, 0), failed)
      t.throws(() => key.decryptBlock(other, 0, block, at), failed)
    }
    key.wipe()
    t.throws(() => key.encryptBlock(block, 0, block, 0), failed)
    t.throws(() => key.decryptBlock(block, 0, block, 0), failed)
  }
  const des = new DesKey(Buffer.alloc(16, 1))
  t.throws(() => des.chainWithFirst(Buffer.alloc(15), 0, 2, Buffer.alloc(8)), failed)
  t.throws(() => des.chainWithFirst(Buffer.alloc(16), 0, 2, Buffer.alloc(7)), failed)
  des.wipe()
  t.throws(() => des.chainWithFirst(Buffer.alloc(16), 0, 2, Buffer.alloc(8)), failed)
  des.setKey(Buffer.alloc(16, 2))
  t.same(encryptEcb(des, Buffer.alloc(8)), desEncrypt(Buffer.alloc(16, 2), Buffer.alloc(8)), 'and can be set again')
  const aes = new AesKey(Buffer.alloc(16, 1))
  aes.wipe()
  t.throws(() => encryptCbc(aes, Buffer.alloc(16), Buffer.alloc(16)), failed)
})

t.test('modes over DES', async () => {
  fc.assert(
    fc.property(desKeyBytes, bytes(8), blocks(8), (key, iv, data) => {
      const des = new DesKey(key)
      const ecb = encryptEcb(des, data)
      const cbc = encryptCbc(des, iv, data)
      return (
        ecb.equals(desEncrypt(key, data)) &&
        cbc.equals(desEncrypt(key, data, iv)) &&
        decryptEcb(des, ecb).equals(data) &&
        decryptCbc(des, iv, cbc).equals(data)
      )
    }),
  )
})

t.test('modes over AES, many messages by one key', async () => {
  fc.assert(
    fc.property(aesKeyBytes, fc.array(fc.tuple(bytes(16), blocks(16)), { maxLength: 4 }), (key, messages) => {
      const aes = new AesKey(key)
      return messages.every(([iv, data]) => {
        const ecb = encryptEcb(aes, data)
        const cbc = encryptCbc(aes, iv, data)
        const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv).setAutoPadding(false)
        const decipher = createDecipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false)
        return (
          cbc.equals(Buffer.concat([cipher.update(data), cipher.final()])) &&
          Buffer.concat([decipher.update(ecb), decipher.final()]).equals(data) &&
          decryptEcb(aes, ecb).equals(data) &&
          decryptCbc(aes, iv, cbc).equals(data)
        )
      })
    }),
  )
})

t.test('AES block by block', async () => {
  fc.assert(
    fc.property(aesKeyBytes, bytes(40), fc.nat(24), fc.nat(24), (key, data, from, to) => {
      const aes = new AesKey(key)
      const expected = Buffer.from(data)
      expected.set(aes.encrypt(data.subarray(from, from + 16)), to)
      const output = Buffer.from(data)
      aes.encryptBlock(output, from, output, to)
      if (!output.equals(expected)) return false
      aes.decryptBlock(output, to, output, to)
      return output.subarray(to, to + 16).equals(data.subarray(from, from + 16))
    }),
  )
})

t.test('data that are not whole blocks are refused', async (t) => {
  for (const key of [new DesKey(Buffer.alloc(16, 1)), new AesKey(Buffer.alloc(16, 1))]) {
    const part = Buffer.alloc(key.blockBytes + 1)
    const iv = Buffer.alloc(key.blockBytes)
    t.throws(() => encryptEcb(key, part), { code: 'BAD_INPUT' })
    t.throws(() => decryptEcb(key, part), { code: 'BAD_INPUT' })
    t.throws(() => encryptCbc(key, iv, part), { code: 'BAD_INPUT' })
    t.throws(() => decryptCbc(key, iv, part), { code: 'BAD_INPUT' })
    t.throws(() => encryptCbc(key, part, iv), { code: 'ASSERTION_FAILED' })
    t.throws(() => decryptCbc(key, part, iv), { code: 'ASSERTION_FAILED' })
  }
})
