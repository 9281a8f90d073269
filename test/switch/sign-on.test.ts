import { test } from 'tap'
import { transaction } from '../../src/simulator/messages.ts'
import { rails } from '../../src/simulator/rails.ts'
import { startTestSwitch } from '../support/switch.ts'

test('links that must sign on first', async (t) => {
  const requireSignOn = { requireSignOn: true }
  const world = await startTestSwitch(t, {
    households: 20,
    config: { listeners: { ascii: requireSignOn, bcd: requireSignOn, visa: requireSignOn } },
  })
  for (const name of Object.keys(rails) as (keyof typeof rails)[]) {
    await t.test(name, async (t) => {
      const { card, governorate } = world.household()
      const terminal = world.place('shop', governorate)
      const link = await world.open(name, { signOn: false })
      const { sent, answer } = await link.ask(transaction('purchase', { card, terminal, amountPiasters: 100 }))
      t.equal(answer.code, '91')
      t.equal(await world.ledger(sent), undefined, 'nothing is left behind')
      t.equal((await link.echo()).code, '00')
      t.equal((await link.send(sent)).code, '91', 'an echo is no sign-on')
      t.equal((await link.network('001')).code, '00')
      t.equal((await link.send(sent)).code, '00')
    })
  }
})
