import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'tap'
import { cardValue } from '../../bench/crypto-baseline.ts'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { parseTrack2 } from '../../src/iso8583/composites.ts'
import { verifyCvv, verifyCvv2, verifyIcvv } from '../../src/security/card-values/cvv.ts'
import { verifyPvv } from '../../src/security/pin/pvv.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { chipCountersFile } from '../../src/simulator/chip-counters.ts'
import { DemoCards } from '../../src/simulator/demo-cards.ts'
import { readWorld } from '../../src/simulator/demo-files.ts'
import { DemoIssuer } from '../../src/simulator/demo-issuer.ts'
import { demoKeys } from '../../src/simulator/demo-keys.ts'
import { demoHousehold } from '../../src/simulator/demo-world.ts'
import { cardSecrets } from '../../src/simulator/load-chip.ts'
import { writeWorldFile } from '../../src/simulator/load-world.ts'

const keys = demoKeys(1)
const [pvk, cvk] = [keys.pvk, keys.cvk].map((key) => new DesKey(Buffer.from(key, 'hex'))) as [DesKey, DesKey]
const folder = mkdtempSync(path.join(tmpdir(), 'mizan-world-'))
const nowMs = Date.parse('2026-11-11T10:00:00Z')
const file = writeWorldFile(folder, {
  seed: 1,
  households: 30,
  nowMs,
  programmes: programmeCatalogue(shippedProgrammes),
})

test('the demo world and its cards', async (t) => {
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))

  await t.test('the tracks of the world file carry values that verify', async (t) => {
    const { households } = readWorld(folder)
    t.equal(households.length, 30)
    for (const { card } of households) {
      const { pan, expiry, pin, pvki, pvv, serviceCode, cvv2 } = card
      const stripe = parseTrack2(card.track2)
      const chip = parseTrack2(card.track2Chip)
      t.match(stripe, { pan, expiry, serviceCode })
      t.match(chip, { pan, expiry, serviceCode })
      const [stripeData = '', chipData = ''] = [stripe?.discretionary, chip?.discretionary]
      t.match(stripeData, /^\d{8}00$/)
      t.equal(chipData.slice(0, 5), stripeData.slice(0, 5), 'only the verification value differs')
      t.equal(stripeData.slice(0, 5), `${pvki}${pvv}`)
      const digits = Uint8Array.from(pin, Number)
      t.ok(verifyPvv(pvk, pan, String(pvki), digits, pvv), 'PVV')
      t.ok(verifyCvv(cvk, pan, expiry, serviceCode, stripeData.slice(5, 8)), 'CVV')
      t.ok(verifyIcvv(cvk, pan, expiry, chipData.slice(5, 8)), 'iCVV')
      t.ok(verifyCvv2(cvk, pan, expiry, cvv2), 'CVV2')
      t.equal(
        stripeData.slice(5, 8),
        cardValue(Buffer.from(keys.cvk, 'hex'), pan, expiry, serviceCode),
        'as node:crypto',
      )
    }
  })

  await t.test('the same on every machine', async (t) => {
    const { card } = JSON.parse(readFileSync(file, 'utf8')).households[6]
    t.same(card, {
      pan: '4000000000000077',
      expiry: '3012',
      psn: '01',
      serviceCode: '201',
      pin: '5757',
      track2: '4000000000000077=30122011541634900',
      oldRationCard: 'active',
      track2Chip: '4000000000000077=30122011541626300',
      pvki: 1,
      pvv: '5416',
      cvv2: '831',
    })
    t.equal(keys.imkAc, '7579FB07F4CE4F5EBF34F2024510AB68')
    t.not(demoKeys(2).cvk, keys.cvk, 'another seed has other keys')
    const all = Object.values({ ...keys, biometric: '' }).filter((value) => value.length >= 32)
    t.equal(new Set(all).size, all.length, 'no key serves two purposes')
  })

  await t.test('what the card table gets and what the load knows', async (t) => {
    const issuer = new DemoIssuer(keys)
    const secrets = cardSecrets(1, 30, keys)
    for (let id = 1; id <= 30; id++) {
      const household = demoHousehold(1, id, false)
      const values = issuer.values(household)
      t.same(issuer.pinReference(household), { pvki: values.pvki, pvv: values.pvv })
      t.equal(secrets.pins[id], Number(household.pin))
      t.equal(secrets.discretionary[id], Number(`${values.pvki}${values.pvv}${values.icvv}`))
    }
  })

  await t.test('chips go on counting where the last simulator stopped', async (t) => {
    const purchase = { amountPiasters: 100, type: '00', date: 20_261_111, onlinePin: false }
    const [first, second] = readWorld(folder).households
    if (first === undefined || second === undefined) throw new Error('there are households')
    const cards = new DemoCards(readWorld(folder))
    t.equal(cards.of(first), cards.of(first), 'one chip a card')
    for (let n = 0; n < 3; n++) cards.of(first).authorize(purchase)
    cards.of(second).authorize(purchase)
    const meanwhile = new DemoCards(readWorld(folder))
    meanwhile.of(first).authorize(purchase)
    cards.save()
    meanwhile.save()
    const next = new DemoCards(readWorld(folder))
    t.same([next.of(first).atc, next.of(second).atc], [3, 1], 'a lower counter does not replace a higher one')
    writeWorldFile(folder, { seed: 1, households: 30, nowMs, programmes: programmeCatalogue(shippedProgrammes) })
    t.equal(new DemoCards(readWorld(folder)).of(first).atc, 0, 'the cards of a new world were never used')
    t.throws(() => readFileSync(chipCountersFile(folder)), { code: 'ENOENT' })
  })
})
