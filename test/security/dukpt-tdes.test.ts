import fc from 'fast-check'
import t from 'tap'
import type { TdesKeyUse } from '../../src/security/dukpt/tdes.ts'
import {
  deriveTdesInitialKey,
  deriveTdesTransactionKey,
  deriveTdesWorkingKey,
  TdesDukpt,
  tdesKsnCounter,
} from '../../src/security/dukpt/tdes.ts'
import { decipherPinBlock } from '../../src/security/pin/pin-cipher.ts'
import { decryptCbc, encryptCbc, encryptEcb } from '../../src/security/primitives/block-modes.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { cmac, retailMac } from '../../src/security/primitives/mac.ts'
import type { Vector } from './emv-support.ts'
import { anyBytes, bytes, fromHex, hex, holds, opensslTdes, text, vectorsOf } from './emv-support.ts'

const FILE = 'crypto-dukpt-tdes.json'
const baseKey = fromHex('0123456789ABCDEFFEDCBA9876543210')
const uses: readonly TdesKeyUse[] = ['pin', 'mac-request', 'mac-response', 'data-request', 'data-response']
const COUNTERS = 1 << 21

/** Serial number of a terminal at a counter. */
function ksnAt(terminal: string, counter: number): Buffer {
  const ksn = fromHex(terminal)
  ksn[7] = ((ksn[7] ?? 0) & 0xe0) | (counter >> 16)
  ksn.writeUInt16BE(counter & 0xffff, 8)
  return ksn
}

function initialKey(base: Uint8Array, ksn: Uint8Array): Uint8Array {
  const out = new Uint8Array(16)
  deriveTdesInitialKey(base, ksn, out)
  return out
}

function transactionKey(initial: Uint8Array, ksn: Uint8Array): Uint8Array {
  const out = new Uint8Array(16)
  deriveTdesTransactionKey(initial, ksn, out)
  return out
}

function workingKey(base: Uint8Array, ksn: Uint8Array, use: TdesKeyUse): DesKey {
  const out = new Uint8Array(16)
  new TdesDukpt(base).workingKey(ksn, use, out)
  return new DesKey(out)
}

function keyOf(vector: Vector): DesKey {
  const use = vector.use === undefined ? 'pin' : text(vector, 'use')
  return workingKey(bytes(vector, 'baseKey'), bytes(vector, 'ksn'), use as TdesKeyUse)
}

/** Single DES by OpenSSL, as TDES with equal halves. */
function des(key: Uint8Array, block: Uint8Array): Buffer {
  return opensslTdes(Buffer.concat([key, key]), block)
}

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)))
}

/** Transaction key said a second time, over big numbers and OpenSSL. */
function transactionKeyByOpenssl(initial: Uint8Array, ksn: Buffer): Buffer {
  const mask = fromHex('C0C0C0C000000000C0C0C0C000000000')
  const whole = BigInt(`0x${ksn.subarray(2).toString('hex')}`)
  const counter = whole & 0x1fffffn
  let register = whole - counter
  let key = Buffer.from(initial)
  for (let bit = 1n << 20n; bit > 0n; bit >>= 1n) {
    if ((counter & bit) === 0n) continue
    register |= bit
    const block = fromHex(register.toString(16).padStart(16, '0'))
    const half = (of: Buffer) => xor(des(of.subarray(0, 8), xor(block, of.subarray(8))), of.subarray(8))
    key = Buffer.concat([half(xor(key, mask)), half(key)])
  }
  return key
}

t.test('transaction keys are those of X9.24-1', async (t) => {
  for (const vector of vectorsOf(FILE, 'transaction-key')) {
    t.equal(hex(transactionKey(bytes(vector, 'initialKey'), bytes(vector, 'ksn'))), text(vector, 'key'), vector.id)
  }
})

t.test('the initial key is that of X9.24-1, whatever the counter', async (t) => {
  for (const ksn of ['FFFF9876543210E00000', 'FFFF9876543210E00001', 'FFFF9876543210FFFFFF', '9876543210E00008']) {
    t.equal(hex(initialKey(baseKey, fromHex(ksn))), '6AC292FAA1315B4D858AB3A3D7D5933A')
  }
  t.not(
    hex(initialKey(baseKey, fromHex('FFFF9876543210C00000'))),
    '6AC292FAA1315B4D858AB3A3D7D5933A',
    'the next terminal',
  )
})

t.test('working keys are those published', async (t) => {
  for (const vector of vectorsOf(FILE, 'working-key')) {
    const key = transactionKey(bytes(vector, 'initialKey'), bytes(vector, 'ksn'))
    deriveTdesWorkingKey(key, text(vector, 'use') as TdesKeyUse, key)
    t.equal(hex(key), text(vector, 'key'), vector.id)
  }
})

t.test('PIN blocks, MACs and data under the keys are those published', async (t) => {
  for (const vector of vectorsOf(FILE, 'pin-block')) {
    t.equal(hex(encryptEcb(keyOf(vector), bytes(vector, 'clear'))), text(vector, 'enciphered'), vector.id)
  }
  for (const vector of vectorsOf(FILE, 'mac')) {
    const mac = text(vector, 'mac')
    t.equal(hex(retailMac(keyOf(vector), bytes(vector, 'data'), 1)).slice(0, mac.length), mac, vector.id)
  }
  for (const vector of vectorsOf(FILE, 'cmac')) {
    const key = workingKey(bytes(vector, 'baseKey'), bytes(vector, 'ksn'), 'mac-request')
    t.equal(hex(cmac(key, bytes(vector, 'data'))), text(vector, 'mac'), vector.id)
  }
  for (const vector of vectorsOf(FILE, 'data')) {
    const iv = bytes(vector, 'iv')
    t.equal(hex(encryptCbc(keyOf(vector), iv, bytes(vector, 'plain'))), text(vector, 'enciphered'), vector.id)
    t.equal(hex(decryptCbc(keyOf(vector), iv, bytes(vector, 'enciphered'))), text(vector, 'plain'), vector.id)
  }
  for (const vector of vectorsOf(FILE, 'pin')) {
    const pin = new Uint8Array(12)
    const length = decipherPinBlock({ format: 0, key: keyOf(vector) }, bytes(vector, 'block'), text(vector, 'pan'), pin)
    t.equal(pin.subarray(0, length).join(''), text(vector, 'pin'), vector.id)
  }
})

t.test('the counter is the low 21 bits', async (t) => {
  t.equal(tdesKsnCounter(fromHex('FFFF9876543210E00001')), 1)
  t.equal(tdesKsnCounter(fromHex('FFFF9876543210FFFFFF')), COUNTERS - 1)
  t.equal(tdesKsnCounter(fromHex('FFFF9876543210F00000')), 1 << 20)
  t.equal(tdesKsnCounter(fromHex('9876543210E00102')), 0x102)
  for (const length of [0, 3, 7, 11, 12]) {
    t.throws(() => tdesKsnCounter(new Uint8Array(length).fill(1)), { code: 'BAD_INPUT' })
  }
})

const anyCounter = fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: COUNTERS - 1 }))

t.test('any counter of any terminal agrees with a second implementation', async (t) => {
  holds(
    t,
    fc.property(anyBytes(16), anyBytes(10), anyCounter, (initial, terminal, counter) => {
      const ksn = ksnAt(hex(terminal), counter)
      return hex(transactionKey(initial, ksn)) === hex(transactionKeyByOpenssl(initial, ksn))
    }),
  )
})

t.test('the initial key agrees with a second implementation', async (t) => {
  holds(
    t,
    fc.property(anyBytes(16), anyBytes(10), (base, ksn) => {
      const block = Buffer.from(ksn.subarray(0, 8))
      block[7] = (block[7] ?? 0) & 0xe0
      const masked = xor(base, fromHex('C0C0C0C000000000C0C0C0C000000000'))
      const expected = Buffer.concat([opensslTdes(base, block), opensslTdes(masked, block)])
      return hex(initialKey(base, ksn)) === hex(expected)
    }),
  )
})

t.test('each use has its own key; those for data do not lead back to the transaction key', async (t) => {
  const key = transactionKey(initialKey(baseKey, ksnAt('FFFF9876543210E00000', 7)), ksnAt('FFFF9876543210E00000', 7))
  const made = new Map(
    uses.map((use) => {
      const out = new Uint8Array(16)
      deriveTdesWorkingKey(key, use, out)
      return [use, out]
    }),
  )
  t.equal(new Set([...made.values()].map(hex)).size, uses.length)
  const turned = { pin: 7, 'mac-request': 6, 'mac-response': 4, 'data-request': 5, 'data-response': 3 }
  for (const [use, out] of made) {
    const variant = Buffer.from(key)
    for (const at of [turned[use], turned[use] + 8]) variant[at] = (variant[at] ?? 0) ^ 0xff
    t.equal(hex(out), hex(use.startsWith('data') ? opensslTdes(variant, variant) : variant), use)
  }
})

t.test('many terminals at once, in any order of counters, as without a memory', async (t) => {
  const terminals = ['FFFF9876543210E00000', 'FFFF9876543210C00000', 'FFFF9876543230E00000', '0123456789ABCDE00000']
  const anyStep = fc.tuple(fc.nat(terminals.length - 1), anyCounter, fc.constantFrom(...uses))
  holds(
    t,
    fc.property(fc.array(anyStep, { minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 4 }), (steps, kept) => {
      const remembered = new TdesDukpt(baseKey, kept)
      for (const [terminal, counter, use] of steps) {
        const ksn = ksnAt(terminals[terminal] ?? '', counter)
        const expected = transactionKey(initialKey(baseKey, ksn), ksn)
        deriveTdesWorkingKey(expected, use, expected)
        const out = new Uint8Array(16)
        remembered.workingKey(ksn, use, out)
        t.equal(hex(out), hex(expected))
        t.ok(remembered.terminals <= kept, `${remembered.terminals} of ${kept} after ${JSON.stringify(steps)}`)
      }
    }),
    50,
  )
})

t.test('counters in order, and the same one twice', async (t) => {
  const remembered = new TdesDukpt(baseKey)
  const out = new Uint8Array(16)
  const seen = new Set<string>()
  for (let counter = 1; counter < 600; counter++) {
    const ksn = ksnAt('FFFF9876543210E00000', counter)
    for (let time = 0; time < 2; time++) {
      remembered.transactionKey(ksn, out)
      if (hex(out) !== hex(transactionKey(initialKey(baseKey, ksn), ksn))) t.fail(`counter ${counter}, time ${time}`)
    }
    seen.add(hex(out))
  }
  t.equal(seen.size, 599, 'no key comes twice')
  t.equal(remembered.terminals, 1)
})

t.test('no more terminals are remembered than was said', async (t) => {
  const remembered = new TdesDukpt(baseKey, 2)
  const out = new Uint8Array(16)
  const [a, b, c] = ['FFFF9876543210E00000', 'FFFF9876543210C00000', 'FFFF9876543230E00000'].map((terminal) =>
    ksnAt(terminal, 5),
  ) as [Buffer, Buffer, Buffer]
  for (const ksn of [a, b, a, c, a]) remembered.transactionKey(ksn, out)
  t.equal(remembered.terminals, 2)
  t.throws(() => new TdesDukpt(baseKey, 0), { code: 'ASSERTION_FAILED' })
})

t.test('a short serial number is that with FF before it', async (t) => {
  const remembered = new TdesDukpt(baseKey)
  const [short, long] = [new Uint8Array(16), new Uint8Array(16)]
  remembered.workingKey(fromHex('9876543210E00008'), 'pin', short)
  remembered.workingKey(fromHex('FFFF9876543210E00008'), 'pin', long)
  t.same(short, long)
  t.equal(remembered.terminals, 1)
  remembered.workingKey(fromHex('FF9876543210E00008'), 'pin', short)
  t.same(short, long)
  remembered.workingKey(fromHex('00009876543210E00008'), 'pin', long)
  t.notSame(short, long)
})

t.test('counter 0 and serial numbers of another length have no key', async (t) => {
  const remembered = new TdesDukpt(baseKey)
  const out = new Uint8Array(16)
  for (const ksn of ['FFFF9876543210E00000', '9876543210E00000']) {
    t.throws(() => remembered.workingKey(fromHex(ksn), 'pin', out), { code: 'CRYPTO_REFUSED' })
    t.throws(() => transactionKey(baseKey, fromHex(ksn)), { code: 'CRYPTO_REFUSED' })
  }
  for (const ksn of ['', '76543210E00001', 'FFFFFF9876543210E00001']) {
    t.throws(() => remembered.workingKey(fromHex(ksn), 'pin', out), { code: 'BAD_INPUT' })
    t.throws(() => initialKey(baseKey, fromHex(ksn)), { code: 'BAD_INPUT' })
  }
  t.equal(remembered.terminals, 0, 'none of them is remembered')
  t.same(out, new Uint8Array(16))
})

t.test('keys are copied, may be made in place, and are gone after wiping', async (t) => {
  const own = Buffer.from(baseKey)
  const remembered = new TdesDukpt(own)
  own.fill(0)
  const ksn = ksnAt('FFFF9876543210E00000', 0x1f5)
  const out = new Uint8Array(16)
  remembered.transactionKey(ksn, out)
  const key = initialKey(baseKey, ksn)
  deriveTdesTransactionKey(key, ksn, key)
  t.same(out, key)
  remembered.wipe()
  t.equal(remembered.terminals, 0)
  const fault = { code: 'ASSERTION_FAILED' }
  t.throws(() => remembered.transactionKey(ksn, out), fault)
  t.throws(() => new TdesDukpt(baseKey.subarray(0, 8)), fault)
  t.throws(() => deriveTdesTransactionKey(baseKey.subarray(0, 8), ksn, out), fault)
  t.throws(() => deriveTdesWorkingKey(baseKey, 'pin', out.subarray(8)), fault)
})
