import t from 'tap'
import { benchCrypto } from '../../bench/crypto.ts'
import {
  cardValue,
  messageMac,
  verifyCryptogram18,
  verifyPin0,
  verifyPinDukpt,
  verifyPinDukptAes,
} from '../../bench/crypto-baseline.ts'
import { cryptoBench } from '../../bench/crypto-cases.ts'

t.test('every verb is timed both ways, after both came to the same', async (t) => {
  const rows = await benchCrypto({ seconds: 0, quiet: true })
  t.equal(rows.length, 11)
  for (const row of rows) {
    t.ok(row.us > 0 && row.nodeUs > 0 && row.bestUs <= row.us, row.work)
    t.ok(Math.abs(row.perSecond - 1e6 / row.us) < 0.05 * row.perSecond)
  }
  t.match(rows.at(-2)?.work, /chip and PIN authorization/)
})

t.test('what it is compared with refuses what is wrong', async (t) => {
  const { keys, cases } = cryptoBench(2)
  const [one, other] = cases
  if (one === undefined || other === undefined) throw new Error('two cases were asked for')
  const key = (hex: string) => Buffer.from(hex, 'hex')
  const [pvk, updates] = [key(keys.pvk), [Buffer.alloc(4), Buffer.alloc(4)] as const]
  const wrongPvv = String((Number(one.pvv) + 1) % 10_000).padStart(4, '0')
  for (const [pan, pvv, right] of [
    [one.pan, one.pvv, true],
    [one.pan, wrongPvv, false],
    [other.pan, one.pvv, false],
  ] as const) {
    t.equal(verifyPin0(key(keys.zpk), pvk, one.zonePin, pan, 1, pvv), right)
    t.equal(verifyPinDukpt(key(keys.bdk), one.dukptSerial, pvk, one.dukptPin, pan, 1, pvv), right)
    t.equal(verifyPinDukptAes(key(keys.bdkAes), one.aesSerial, pvk, one.aesPin, pan, 1, pvv), right)
  }
  t.notOk(verifyPinDukpt(key(keys.bdk), other.dukptSerial, pvk, one.dukptPin, one.pan, 1, one.pvv))
  t.equal(verifyCryptogram18(key(keys.imkAc), other.pan, '01', one.chip, updates), undefined)
  t.equal(verifyCryptogram18(key(keys.imkSmi), one.pan, '01', one.chip, updates), undefined)
  t.not(cardValue(key(keys.cvk), one.pan, one.expiry, '201'), one.icvv)
  t.notSame(messageMac(key(keys.zpk), one.message), Buffer.from(one.mac))
})
