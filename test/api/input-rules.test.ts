import t from 'tap'
import { apiWorld } from './api-world.ts'

/** What a caller gets wrong is told as such: never a 500, and never taken for something else. */
t.test('what comes in is what may be kept', async (t) => {
  const world = await apiWorld(t)
  const operator = world.as('operator')
  const { rows } = await world.owner.query<{ acceptor_id: string }>(
    'select acceptor_id from outlet order by id limit 1',
  )
  const outlet = `/outlets/${encodeURIComponent(String(rows[0]?.acceptor_id))}`

  t.test('dates', async (t) => {
    const wrong = (pointer: string) => ({
      status: 400,
      body: { errors: [{ pointer, detail: /^must be a date that exists, .* from 1900-01-01 to 2999-12-31$/ }] },
    })
    for (const day of ['9999-12-31', '2026-02-30']) {
      const terminals = [{ id: 'T1', to: day }]
      t.match(await operator(outlet, { body: { terminals } }), wrong('/terminals/0/to'))
      const body = { status: 'suspended', from: day, reason: 'a test' }
      t.match(await operator(`${outlet}/status`, { body }), wrong('/from'))
      t.match(await operator(`/outlets?licenceEndsBy=${day}`), wrong('/licenceEndsBy'))
      const payload = { service: 'bread', governorate: 'PTS', liveFrom: day }
      const change = { kind: 'rollout-set', payload, reason: 'a test' }
      t.match(await operator('/change-requests', { body: change }), { status: 400 })
    }
  })

  t.test('instants', async (t) => {
    const { status } = await world.as('auditor')('/audit?from=2026-02-28T23:59:59.999%2B02:00&to=2999-12-30T00:00Z')
    t.equal(status, 200)
    for (const text of [
      '2026-02-30T12:00:00Z',
      '2026-02-28T25:61:00Z',
      '9999-12-31T23:59:59%2B14:00',
      '2026-01-01T00:00%2B99:00',
    ]) {
      for (const name of ['from', 'to']) {
        const told = await world.as('auditor')(`/audit?${name}=${text}`)
        t.match(told, { status: 400, body: { errors: [{ pointer: `/${name}`, detail: /^must be an instant/ }] } })
        t.equal((await operator(`/authorizations?${name}=${text}`)).status, 400)
        t.equal((await operator(`/households/1/authorizations?${name}=${text}`)).status, 400)
      }
    }
  })
})
