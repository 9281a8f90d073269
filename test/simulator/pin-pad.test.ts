import fc from 'fast-check'
import { test } from 'tap'
import { cryptoBench, LINK } from '../../bench/crypto-cases.ts'
import { decodePinBlock } from '../../src/security/pin/pin-block.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import type { OnlinePinFormat, PinKey } from '../../src/security/security-module.ts'
import { DemoIssuer } from '../../src/simulator/demo-issuer.ts'
import { panOf } from '../../src/simulator/demo-world.ts'
import {
  AesDukptPinPad,
  DukptPinPad,
  type EnteredPin,
  type PinPad,
  securityControl,
  ZonePinPad,
} from '../../src/simulator/pin-pad.ts'

const { module, keys } = cryptoBench(1)
const issuer = new DemoIssuer(keys)
const pan = panOf(7)
const DEVICE = 'FFFF9876543210E00000'

/** What the security module says of an entered PIN, compared with the reference of another. */
function verdictOf(entered: EnteredPin, rightPin: string, said: OnlinePinFormat | undefined = entered.format): string {
  const { pvki, pvv } = issuer.pinReference({ pan, expiry: '3012', pin: rightPin })
  const key: PinKey =
    entered.serial === undefined
      ? { kind: 'zone', name: `zpk:${LINK}` }
      : {
          kind: 'dukpt',
          name: entered.format === 4 ? 'bdk-aes' : 'bdk',
          serial: Buffer.from(entered.serial, 'hex'),
        }
  const reference = { method: 'pvv', name: 'pvk', keyIndex: pvki, pvv } as const
  return module.verifyPin({ key, block: entered.block, format: said, pan, reference })
}

const pads: Readonly<Record<string, PinPad>> = {
  'zone key, format 0': new ZonePinPad(keys.zpk),
  'zone key, format 3': new ZonePinPad(keys.zpk, 3),
  'TDES DUKPT': new DukptPinPad(keys.bdk, DEVICE),
  'AES DUKPT': new AesDukptPinPad(keys.bdkAes, '1234567890123456'),
}

for (const [name, pad] of Object.entries(pads)) {
  test(`${name}: the security module reads what was typed`, async (t) => {
    fc.assert(
      fc.property(fc.stringMatching(/^\d{4}$/), fc.stringMatching(/^\d{4}$/), (pin, other) => {
        const entered = pad.enter(pin, pan)
        if (verdictOf(entered, pin) !== 'matched' || verdictOf(entered, pin, undefined) !== 'matched') return false
        const same = issuer.pinReference({ pan, expiry: '', pin: other }).pvv
        const collides = same === issuer.pinReference({ pan, expiry: '', pin }).pvv
        return collides || verdictOf(entered, other) === 'not-matched'
      }),
      { numRuns: 40 },
    )
    t.equal(verdictOf(pad.enter('1234', panOf(8)), '1234'), 'unverifiable', 'the block of another card')
    t.equal(verdictOf(pad.enter('123456', pan), '1234'), 'matched', 'a longer PIN: the first four digits count')
  })
}

test('format 0 is always the same block, format 3 never', async (t) => {
  const blockOf = (pad: PinPad) => pad.enter('1234', pan).block.toString('hex')
  const [zero, three] = [new ZonePinPad(keys.zpk), new ZonePinPad(keys.zpk, 3)]
  t.equal(blockOf(zero), blockOf(zero))
  t.not(blockOf(three), blockOf(three))
  const clear = new Uint8Array(8)
  new DesKey(Buffer.from(keys.zpk, 'hex')).decryptBlock(three.enter('1234', pan).block, 0, clear, 0)
  t.equal(decodePinBlock(3, clear, pan, new Uint8Array(12)), 4)
})

test('a DUKPT pad counts, and leaves out counters with many set bits', async (t) => {
  const pad = new DukptPinPad(keys.bdk, DEVICE, 0b111_1111_1110)
  const serials = [1, 2, 3].map(() => pad.enter('1234', pan).serial)
  t.same(serials, ['FFFF9876543210E00800', 'FFFF9876543210E00801', 'FFFF9876543210E00802'], '2047 has eleven')
  const fresh = new DukptPinPad(keys.bdk, 'FFFF9876543210FFFFFF')
  t.equal(fresh.enter('1234', pan).serial, 'FFFF9876543210E00001', 'the bits of the counter are its own')
  const other = new DukptPinPad(keys.bdk, 'FFFF9876543211000000').enter('1234', pan)
  t.not(verdictOf({ ...other, serial: 'FFFF9876543210E00001' }, '1234'), 'matched', 'of another pad')
  const wide = new DukptPinPad(keys.bdk, DEVICE, 0x0f_ffff)
  t.equal(verdictOf(wide.enter('4321', pan), '4321'), 'matched')
  t.equal(wide.enter('4321', pan).serial, 'FFFF9876543210F00001', 'all 21 bits')
})

test('DE53 of Visa', async (t) => {
  t.equal(securityControl(new ZonePinPad(keys.zpk).enter('1234', pan)), '2001010100000000')
  t.equal(securityControl(new ZonePinPad(keys.zpk, 3).enter('1234', pan)), '2001030100000000')
})
