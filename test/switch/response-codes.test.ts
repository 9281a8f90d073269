import { test } from 'tap'
import type { Counterparty } from '../../src/simulator/counterparty.ts'
import { rails } from '../../src/simulator/rails.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { startTestSwitch } from '../support/switch.ts'
import { refusalCases, restrictedHousehold, type Scene } from './refusal-cases.ts'

test('response codes', async (t) => {
  const world = await startTestSwitch(t, {
    households: 320,
    config: { limits: { withdrawalDailyPiasters: 300_000, purchaseSinglePiasters: 9_500_000 } },
    arrange: async (client, demo) => {
      await client.query("update card set status = 'restricted' where id = $1", [restrictedHousehold(demo).id])
      await client.query("delete from service_rollout where service = 'flour' and governorate = 'LX'")
      await client.query(
        "update service_rollout set live_from = '2026-11-12' where service = 'grants' and governorate = 'LX'",
      )
    },
  })
  for (const name of Object.keys(rails) as (keyof typeof rails)[]) {
    const counterparty: Counterparty = world[name]
    for (const { name: title, code, result, household, intent } of refusalCases) {
      await t.test(`${name}: ${title}`, async (t) => {
        const home = world.household(household ?? {})
        const at: Scene['at'] = (category, governorate = home.governorate) => world.place(category, governorate)
        const asked = intent({ world, home, mti: name === 'visa' ? '0100' : '0200', at })
        await expectExchange(t, world, counterparty, asked, { code, result })
      })
    }
  }

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
